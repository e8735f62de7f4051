/// Usage headers of any form: a pause is from a second to 72 hours long, and the call that they came with counts as if there were none.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct UsageHeaderTests {
    struct Header: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let lines: String
        /// Seconds that the account rests; nil for no pause.
        let seconds: [Double?]
    }

    private static func header(_ name: String, _ text: String, _ seconds: Double?...) -> Header {
        Header(testDescription: name, lines: "X-Business-Use-Case-Usage: \(text)\r\n", seconds: seconds)
    }

    /// One entry with this time to regain access, in minutes.
    private static func regain(_ minutes: String, _ seconds: Double?) -> Header {
        header(minutes, entry(minutes), seconds)
    }

    static func entry(_ minutes: String, id: String = "9") -> String {
        #"{"\#(id)":[{"type":"whatsapp","call_count":1,"estimated_time_to_regain_access":\#(minutes)}]}"#
    }

    private static let most = 72.0 * 3600
    private static let own = "102290129340001"

    private static let times: [Header] = [
        regain("0", nil), regain("-0", nil), regain("-1", nil), regain("-1e308", nil), regain("0.000001", 1),
        regain("0.001", 1), regain("5", 300), regain("5.5", 330), regain("\"5\"", 300), regain("\" 5\"", nil),
        regain("\"soon\"", nil), regain("\"\"", nil), regain("\"nan\"", nil), regain("\"inf\"", nil),
        regain("\"1e400\"", nil), regain("\"0x5\"", 300), regain("4320", most), regain("4321", most),
        regain("1000000000", most), regain("\"1000000000\"", most), regain("1e15", most), regain("1e300", most),
        regain("99999999999999999999999999", most), regain("null", nil), regain("true", nil), regain("[]", nil),
        regain("[5]", nil), regain("{\"minutes\":5}", nil), regain("{\"a\":[{\"b\":[5]}]}", nil),
        // Foundation takes no number beyond a Double for JSON, or makes nothing of it.
        regain("1e400", nil), regain("-1e400", nil), regain("NaN", nil), regain("Infinity", nil), regain("05", nil),
    ]

    private static let forms: [Header] = [
        header("nothing", "", nil), header("no JSON", "soon", nil),
        header("half of it", #"{"9":[{"estimated"#, nil),
        header("a text", "\"5\"", nil), header("a list", "[5]", nil), header("a null", "null", nil),
        header("an entry that is no list", #"{"9":{"estimated_time_to_regain_access":5}}"#, nil),
        header("entries that are none", #"{"9":[5,null,"x",[]]}"#, nil),
        header(
            "a repeated entry",
            #"{"9":[{"estimated_time_to_regain_access":5}],"9":[{"estimated_time_to_regain_access":7}]}"#,
            300,
            420
        ),
        header(
            "a repeated member",
            #"{"9":[{"estimated_time_to_regain_access":5,"estimated_time_to_regain_access":7}]}"#,
            300,
            420
        ),
        header(
            "32 entries of one account",
            "{\"9\":["
                + (1...32).map { "{\"type\":\"t\($0)\",\"estimated_time_to_regain_access\":\($0)}" }.joined(
                    separator: ","
                ) + "]}",
            1920
        ),
        header(
            "32 accounts, this one among them",
            "{"
                + (1...32).map { "\"\($0 == 7 ? own : "\($0)")\":[{\"estimated_time_to_regain_access\":\($0)}]" }
                .joined(separator: ",") + "}",
            420
        ),
        header(
            "32 accounts, this one not among them",
            "{" + (1...32).map { "\"\($0)\":[{\"estimated_time_to_regain_access\":\($0)}]" }.joined(separator: ",")
                + "}",
            nil
        ),
        header("10,000 levels", String(repeating: "[", count: 10_000), nil),
        header("60 KB", "{\"9\":\"\(String(repeating: "x", count: 60_000))\"}", nil),
        header(
            "percents beyond any number",
            #"{"9":[{"call_count":1e300,"total_time":-1e300,"estimated_time_to_regain_access":5}]}"#,
            300
        ),
        Header(
            testDescription: "twice",
            lines: "X-Business-Use-Case-Usage: \(entry("5"))\r\nX-Business-Use-Case-Usage: \(entry("7"))\r\n",
            seconds: [300]
        ),
        Header(
            testDescription: "the app's, of any form",
            lines: "X-App-Usage: {\"call_count\":\"1e400\"}\r\n",
            seconds: [nil]
        ),
    ]

    private static let retries = ["0", "-1", "soon", "1e400", "1000000000", "Wed, 21 Oct 2026 07:28:00 GMT"].map {
        // On an answer that does not say with its status that it is busy it means nothing.
        Header(testDescription: "Retry-After \($0)", lines: "Retry-After: \($0)\r\n", seconds: [nil])
    }

    static let headers: [Header] = times + forms + retries

    private static let call = GraphRequest(.subscribeApp, .post, path: "\(own)/subscribed_apps", token: .business)

    @Test(arguments: headers) func `A header rests its account within bounds, and its call counts`(
        header: Header
    ) async throws {
        let signup = Signup(id: 1, flow: .cloudAPI, plan: try Plan(stepNames: ["subscribe_app"]), wabaID: Self.own)
        let good = try await Self.answer(#"{"success":true}"#, "200 OK", header)
        #expect(good.content == .value(.object(["success": .bool(true)])))
        #expect(good.status == 200)
        let pause = Throttle.demanded(by: good, to: Self.call, at: .subscribeApp, of: signup)
        #expect(header.seconds.contains(pause?.seconds), "\(pause?.seconds ?? 0) s")
        #expect(pause?.scope == (header.seconds == [nil] ? nil : .waba(Self.own)))

        // A limit that was hit rests for as long as the header says, or for our own time.
        let refused = try await Self.answer(#"{"error":{"code":80007,"message":"m"}}"#, "400 Bad Request", header)
        #expect(refused.content == .error(GraphError(code: 80_007, message: "m")))
        let limit = try #require(Throttle.demanded(by: refused, to: Self.call, at: .subscribeApp, of: signup))
        let named: [Double] = header.seconds.map { $0 ?? 900 }
        let retryAfter: Double? = header.testDescription == "Retry-After 1000000000" ? Self.most : nil
        #expect((retryAfter.map { [$0] } ?? named).contains(limit.seconds), "\(limit.seconds) s")
        #expect(Throttle.secondsRange.contains(limit.seconds))
    }

    private static func answer(_ body: String, _ status: String, _ header: Header) async throws -> GraphResponse {
        let server = try ScriptedServer {
            $0.readRequest()
            $0.answer(body, status: status, headers: header.lines)
        }
        defer { server.stop() }
        let http = GraphClient.Pools(connectionsMax: 1)
        let client = GraphClient(
            http: http,
            settings: GraphSettings(baseURL: server.url, version: "v25.0", sendsAppSecretProof: false)
        )
        let credentials = Credentials(appID: "1", appSecret: Secret("s"), businessToken: Secret("t"))
        let answer = await client.send(call, credentials: credentials, seconds: 10)
        try await http.shutdown()
        guard case .answered(let response) = answer else { throw SupportError("\(answer)") }
        return response
    }
}

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct UsageHeaderRunTests {
    @Test func `In a worker the step is done, and its account rests from a second to 72 hours`() async throws {
        try await script("UPDATE embark.installation SET partner_mode = 'tech-provider'")
        let minutes = ["0", "-1", "1000000000", "\"7\"", "null", "{\"a\":[7]}", "0.0001"]
        let sent =
            minutes.map { UsageHeaderTests.entry($0) } + [
                "no JSON", "{\"9\":\"\(String(repeating: "x", count: 50_000))\"}",
            ]
        let plan = sent.enumerated().reduce(into: [:]) {
            $0["subscribe_app@\(Customer.wabaID($1.offset + 1))"] = ["usage_raw:\($1.element)"]
        }
        let faults = String(decoding: try JSONEncoder().encode(plan), as: UTF8.self)
        try await SimulatedPlatform.with(faults: faults) { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url
            ) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                try await Customer.enqueue(1...sent.count)
                try await eventually("all are subscribed", within: .seconds(20)) {
                    try await count("embark.attempts WHERE step = 'subscribe_app' AND verdict = 'done'") == sent.count
                }
            }
            #expect(result.code == 0)
            #expect(try platform.effects("subscribe_app", by: "waba_id").values.allSatisfy { $0 == 1 })
        }
        let pauses = try await texts(
            """
            SELECT concat_ws(' ', scope, round(extract(epoch FROM until - set_at))) FROM embark.throttles ORDER BY scope
            """
        )
        #expect(
            pauses == [
                "waba:\(Customer.wabaID(3)) 259200", "waba:\(Customer.wabaID(4)) 420", "waba:\(Customer.wabaID(7)) 1",
            ]
        )
    }
}
