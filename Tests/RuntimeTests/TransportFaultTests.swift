/// Whatever comes in place of Graph's answer is classified, and no call is longer than its deadline.
import Onboarding
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct TransportFaultTests {
    private static let call = GraphRequest(
        .registerPhone,
        .post,
        path: "1/register",
        body: .json([.init("messaging_product", "whatsapp")]),
        token: .business
    )
    private static let credentials = Credentials(
        appID: "1",
        appSecret: Secret("s"),
        businessToken: Secret("EAAcanary123")
    )
    /// For the whole call, and how much longer it may take.
    private static let seconds = 1.0
    private static let lateness = Duration.milliseconds(250)

    @Test(arguments: GraphFault.all) func `A fault is classified, and its call is over at the deadline`(
        fault: GraphFault
    ) async throws {
        try await Self.check(fault)
    }

    @Test func `What is compressed is not unpacked`() async throws {
        try await Self.check(GraphFault.bomb())
    }

    private static func check(_ fault: GraphFault) async throws {
        let server = try ScriptedServer { peer in
            guard peer.readRequest() != nil else { return }
            fault.answer(peer)
        }
        defer { server.stop() }
        let settings = GraphSettings(baseURL: server.url, version: "v25.0", sendsAppSecretProof: false)
        let clock = ContinuousClock()
        let limit = Duration.seconds(seconds) + lateness
        var fastest = Duration.seconds(3600)
        var tries = 0
        // A busy machine delays one call or another, but not each of five.
        while tries < 5, fastest > limit {
            // Anew each time: a connection that the fault has left behind is no part of it.
            let http = GraphClient.Pools(connectionsMax: 1)
            let client = GraphClient(http: http, settings: settings)
            let start = clock.now
            let answer = await client.send(call, credentials: credentials, seconds: seconds)
            let took = clock.now - start
            try await http.shutdown()
            fastest = min(fastest, took)
            tries += 1
            #expect(matches(answer, fault.expected), "\(answer)")
            #expect(!"\(answer)".contains("canary"))
            if fault.isEndless { #expect(took >= .seconds(seconds), "over before its deadline, after \(took)") }
            #expect(took < .seconds(10))
        }
        #expect(fastest <= limit)
        #expect(server.requests.count <= tries, "sent again, or a redirect followed")
    }

    private static func matches(_ answer: GraphAnswer, _ expected: GraphFault.Expected) -> Bool {
        switch (answer, expected) {
        case (.effectUnknown, .unknown), (.effectUnknown, .anyOfThem): true
        case (.answered(let response), .anyOfThem):
            if case .error = response.content { false } else { true }
        case (.answered(let response), .unreadable):
            if case .unreadable = response.content { true } else { false }
        case (.answered(let response), .value):
            if case .value = response.content { true } else { false }
        case (.notSent, _), (.effectUnknown, _), (.answered, _): false
        }
    }
}
