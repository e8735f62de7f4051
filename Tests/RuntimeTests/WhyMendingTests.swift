/// Ten failures and what mends them: each is brought about through the simulator, `embark why` is asked, the cause is mended as
/// a customer or an operator would mend it, and the card's commands are pasted into a shell. Then the signup is onboarded.
import AsyncHTTPClient
import Foundation
import GraphSimulator
import NIOCore
import NIOHTTP1
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct WhyMendingTests {
    struct Failure: Sendable, CustomTestStringConvertible {
        let name: String
        var faults = "{}"
        /// The end of the customer's code: see `SelfDescribingCode`.
        var end = "code"
        var pin: String?
        /// Seconds since Meta has issued the code.
        var codeAge = 0
        let stops: String
        let says: String
        /// What stands in the card's command for the operator to fill in.
        var fills: [String: String] = [:]
        var needsCode = false
        /// Of a choice, what is true.
        var isTrue: String?
        var testDescription: String { name }
    }

    static let failures = [
        Failure(
            name: "wrong PIN",
            end: "pin424242",
            pin: "111111",
            stops: "register_phone 133005 customer",
            says: "The number already has a PIN, and ours is another one.",
            fills: ["NNNNNN": "424242"]
        ),
        Failure(
            name: "expired code, says Meta",
            end: "expired",
            stops: "exchange_code 100/36007 customer",
            says: "Meta says that the code has expired.",
            needsCode: true
        ),
        Failure(
            name: "expired code, never sent",
            codeAge: 31,
            stops: "exchange_code code_expired customer",
            says: "The code died before it could be exchanged: it lives 30 seconds.",
            needsCode: true
        ),
        Failure(
            name: "app not on the allow-list",
            faults: #"{"share_credit_line": {"code:3": 1.0}}"#,
            stops: "share_credit_line 3 operator",
            says: "Meta has not put it on the call's allow-list."
        ),
        Failure(
            name: "number not verified",
            faults: #"{"register_phone": {"code:133006": 1.0}}"#,
            stops: "register_phone 133006 customer",
            says: "The number is not verified"
        ),
        Failure(
            name: "payment terms not accepted",
            faults: #"{"share_credit_line": {"code:134011": 1.0}}"#,
            stops: "share_credit_line 134011 customer",
            says: "WhatsApp's payment terms were not accepted for this account."
        ),
        Failure(
            name: "credit terms not accepted",
            faults: #"{"share_credit_line": {"code:200": 1.0}}"#,
            stops: "share_credit_line 200 operator",
            says: "accept the Credit Allocation API terms in Business Settings"
        ),
        Failure(
            name: "account restricted",
            faults: #"{"register_phone": {"code:131031": 1.0}}"#,
            stops: "register_phone 131031 customer",
            says: "Meta has locked the account."
        ),
        Failure(
            name: "uncertain credit share",
            faults: #"{"share_credit_line": ["reset_before", "reset_before"]}"#,
            stops: "share_credit_line effect_uncertain operator",
            says: "The last call may have had its effect, and nothing that can be read tells.",
            isTrue: "--did-not-happen"
        ),
        Failure(
            name: "register calls used up",
            faults: #"{"register_phone": {"http500": 1.0}}"#,
            stops: "register_phone register_quota operator",
            says: "4 of 10 register calls used in 72 h"
        ),
        Failure(
            name: "unknown code",
            faults: #"{"subscribe_app": {"code:987654": 1.0}}"#,
            stops: "subscribe_app 987654 operator",
            says: "The step was refused, or its retries are used up."
        ),
    ]

    @Test(arguments: failures)
    func `The card's command mends it, as printed`(failure: Failure) async throws {
        try await SimulatedPlatform.with(faults: failure.faults) { platform in
            try await Self.enqueue(failure)
            try await Self.work(platform)
            #expect(try await Self.standing() == "failed \(failure.stops)")

            let card = try await Self.card(says: failure.says)
            try await Self.endFaults(platform)
            let input = failure.needsCode ? try await Self.mint(platform) + "\n" : ""
            for command in card where failure.isTrue.map(command.text.contains) ?? true {
                let filled = failure.fills.reduce(command.text) { $0.replacing($1.key, with: $1.value) }
                let result = try await Command.shell(filled, input: input)
                #expect(result.code == 0, "\(filled): \(result.err)")
            }
            try await Self.work(platform)
            #expect(try await Self.standing() == "completed")
            for (effect, key) in [("share_credit_line", "waba_id"), ("register_phone", "phone_number_id")] {
                #expect(try platform.effects(effect, by: key).values.sorted() == [1], "\(effect)")
            }
        }
    }

    @Test func `What the card has for upstream renews a dead code's signup, as printed`() async throws {
        try await SimulatedPlatform.with { platform in
            try await Self.enqueue(Failure(name: "", end: "expired", stops: "", says: ""))
            try await Self.work(platform)
            let lines = try await Command.run("why", "acme-7731").outLines
            let line = try #require(lines.first { $0.hasPrefix("Upstream") })
            let sql = line.dropFirst(14).replacing("'CODE'", with: "'\(try await Self.mint(platform))'")
            try await script("SET ROLE embark_upstream; \(sql)")
            try await Self.work(platform)
            #expect(try await Self.standing() == "completed")
        }
    }

    @Test func `A number whose calls are used up has a time on its card, and after it the command mends it`()
        async throws
    {
        try await SimulatedPlatform.with(faults: #"{"register_phone": {"http500": 1.0}}"#) { platform in
            try await Self.enqueue(Failure(name: "", stops: "", says: ""))
            try await Self.work(platform)
            // Embark's own four, then five of an operator who does not look.
            for _ in 1...5 {
                let command = try #require(try await Self.card(says: "register calls used in 72 h").first)
                #expect(try await Command.shell(command.text).code == 0)
                try await Self.work(platform)
            }
            #expect(try await Self.standing() == "failed register_phone register_quota operator")
            let free = try await texts(
                """
                SELECT to_char((min(called_at) + interval '72 h 1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
                  FROM embark.register_calls
                """
            )
            let time = try #require(free.first)
            // What would be refused is not printed, and what refuses it names the same minute.
            let early = try await Self.card(says: "not before \(time) (in 71 h); 9 of 10 register calls used")
            #expect(early.map(\.joined) == ["embark signup show 1"])
            #expect(try await Command.shell(early[0].text).code == 0)
            let refused = try await Command.run("replay", "1", "--reason", "too early")
            #expect(refused.code == 2 && refused.all.contains("after \(time)"), "\(refused.all)")
            _ = try await Self.card(says: "Whose move    nobody's until \(time); then you (replay)")
            let json = try await Command.run("why", "1", "-o", "json").object()
            #expect((json["register_again_at"] as? String)?.prefix(10) == time.prefix(10))
            #expect(json["next"] as? [String] == ["embark signup show 1"] && json["next_is"] as? String == "all")

            // The first of them is 72 hours old.
            try await script(
                """
                UPDATE embark.register_calls SET called_at = called_at - interval '72 h'
                 WHERE called_at = (SELECT min(called_at) FROM embark.register_calls)
                """
            )
            try await Self.endFaults(platform)
            let command = try #require(try await Self.card(says: "safe from register_phone; 8 of 10").first)
            #expect(try await Command.shell(command.text).code == 0)
            try await Self.work(platform)
            #expect(try await Self.standing() == "completed")
        }
    }

    @Test func `A revoked system token is renewed, the workers restarted, and the card's command lets all go on`()
        async throws
    {
        let faults = #"{"assign_system_user": {"code:190": 1.0}, "recover_token": {"code:190": 1.0}}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            let url = TestDatabase.current.url
            let old = try await RunningWorker.with(graph: platform.url, database: url) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                try await Self.enqueue(Failure(name: "", stops: "", says: ""))
                try await eventually("the signup waits for the renewal", within: .seconds(20)) {
                    guard try await count("embark.throttles WHERE scope = 'system' AND credentials") == 1 else {
                        return false
                    }
                    return try await count("embark.jobs WHERE step = 'assign_system_user' AND lease_id IS NULL") == 1
                }
            }
            #expect(old.code == 0)
            let card = try await Self.card(says: "set EMBARK_SYSTEM_TOKEN, restart the workers")
            #expect(card.map(\.joined) == [#"embark resume system --reason "…""#])
            #expect(try await Command.run("why", "1").out.hasPrefix("SIGNUP 1  acme-7731  WABA 102290129340001"))
            try await Self.endFaults(platform)
            let renewed = ["EMBARK_SYSTEM_TOKEN": "EAArenewedSystemToken"]
            let new = try await RunningWorker.with(graph: platform.url, database: url, environment: renewed) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                #expect(try await Self.standing() == "running assign_system_user")
                #expect(try await Command.shell(card[0].text).code == 0)
                try await eventually("it is completed", within: .seconds(30)) {
                    try await Self.standing() == "completed"
                }
            }
            #expect(new.code == 0)
            #expect(try platform.effects("exchange_code", by: "code").values.sorted() == [1])
        }
    }

    // MARK: What is done

    /// As upstream would; without the business, so that nothing is recovered without the customer.
    private static func enqueue(_ failure: Failure) async throws {
        let pin = failure.pin.map { "'\($0)'" } ?? "NULL"
        try await script(
            """
            SELECT embark.enqueue_signup(code => '\(Customer.code(1, failure.end))', waba_id => '\(Customer.wabaID(1))',
                phone_number_id => '\(Customer.phoneID(1))', currency => 'USD', external_id => 'acme-7731', pin => \(pin),
                code_issued_at => now() - interval '\(failure.codeAge) s')
            """
        )
    }

    /// Workers until nothing is left to do; what waits is due at once.
    private static func work(_ platform: SimulatedPlatform) async throws {
        async let worker = WorkerProcess.run(platform)
        async let hurry: Void = Hurry.untilIdle(within: .seconds(100))
        let result = try await worker
        #expect(result.code == 0)
        try await hurry
    }

    private static func standing() async throws -> String {
        try await texts("SELECT concat_ws(' ', state, step, error_code, waiting_on) FROM embark.signup_status").joined()
    }

    /// The card's commands, the same by each of the signup's names and in both forms.
    private static func card(says words: String) async throws -> [CardCommands.Line] {
        let text = try await Command.run("why", "1")
        #expect(text.code == 0)
        #expect(text.out.replacing(/\n {14}/, with: " ").contains(words), "\(words)\n\(text.out)")
        let commands = CardCommands(text.outLines).commands
        let json = try await Command.run("why", "acme-7731", "-o", "json").object()
        #expect(commands.map(\.joined) == json["next"] as? [String])
        return commands
    }

    /// What the customer or the operator has mended.
    private static func endFaults(_ platform: SimulatedPlatform) async throws {
        _ = try await call(platform, .PUT, "faults", "{}")
    }

    /// The customer goes through the popup again.
    private static func mint(_ platform: SimulatedPlatform) async throws -> String {
        let assets = [
            "waba_id": Customer.wabaID(1), "phone_number_id": Customer.phoneID(1),
            "business_id": Customer.businessID(1),
        ]
        let answer = try await call(
            platform,
            .POST,
            "codes",
            String(decoding: try JSONEncoder().encode(assets), as: UTF8.self)
        )
        return try #require(try JSONDecoder().decode([String: String].self, from: answer)["code"])
    }

    private static func call(
        _ platform: SimulatedPlatform,
        _ method: HTTPMethod,
        _ path: String,
        _ body: String
    ) async throws -> Data {
        var request = HTTPClientRequest(url: "\(platform.url)/simulator/\(path)")
        request.method = method
        request.body = .bytes(ByteBuffer(string: body))
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
        #expect(response.status.code == 200)
        return Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
    }
}
