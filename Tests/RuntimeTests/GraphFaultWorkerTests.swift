/// A worker of its own meets every fault of the transport, and every word of Graph's that PostgreSQL does not take: it notes what became
/// of the call, keeps its deadline and its memory, and goes on.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct GraphFaultWorkerTests {
    /// By how much a worker's memory may grow through a fault.
    private static let growthMax = 16 << 10
    private static let warmUps = 40

    /// What Graph says, and what is kept of it.
    struct Words: Sendable {
        let fault: GraphFault
        let code: String
        /// What the message is, or holds; as POSIX regular expressions.
        let message: String
        var fbtrace: String?
    }

    private static func says(
        _ name: String,
        _ error: String,
        code: String = "100",
        message: String,
        fbtrace: String? = nil
    ) -> Words {
        says(name, Array("{\"error\":\(error)}".utf8), code: code, message: message, fbtrace: fbtrace)
    }

    private static func says(
        _ name: String,
        _ bytes: [UInt8],
        headers: [UInt8] = Array("Content-Type: application/json".utf8),
        code: String = "100",
        message: String,
        fbtrace: String? = nil
    ) -> Words {
        let fault = GraphFault(name, .value) { peer in
            peer.write("HTTP/1.1 400 Bad Request\r\nContent-Length: \(bytes.count)\r\n")
            peer.write(headers + Array("\r\n\r\n".utf8) + bytes)
        }
        return Words(fault: fault, code: code, message: message, fbtrace: fbtrace)
    }

    private static let megabyte = String(repeating: "x", count: 1_000_000)
    private static let marks = String(repeating: "\u{301}", count: 400_000)

    static let words: [Words] = [
        says("a NUL in the message", #"{"code":100,"message":"a\u0000b"}"#, message: "^a\u{FFFD}b$"),
        says("a NUL in the details", #"{"code":100,"message":"m","error_data":{"details":"\u0000"}}"#, message: "^m "),
        says("a NUL in the data", #"{"code":100,"message":"m","error_data":"x\u0000"}"#, message: "^m .x\u{FFFD}.$"),
        says(
            "a NUL in the title",
            #"{"code":100,"message":"m","error_user_title":"\u0000","error_user_msg":"\u0000"}"#,
            message: "^m$"
        ),
        says("a NUL in the type", #"{"code":100,"message":"m","type":"O\u0000"}"#, message: "^m$"),
        says(
            "a NUL in the trace",
            #"{"code":100,"message":"m","fbtrace_id":"A\u0000B"}"#,
            message: "^m$",
            fbtrace: "^A\u{FFFD}B$"
        ),
        says("a NUL in a name", #"{"code":100,"message":"m","\u0000":"\u0000"}"#, message: "^m$"),
        says("a lone surrogate", #"{"code":100,"message":"\ud800"}"#, code: "code_spent", message: "not Graph's"),
        says(
            "no UTF-8 in the message",
            Array(#"{"error":{"code":100,"message":""#.utf8) + [0xFF, 0xC0, 0x80] + Array(#""}}"#.utf8),
            code: "code_spent",
            message: "not UTF-8"
        ),
        says(
            "a surrogate as UTF-8",
            Array(#"{"error":{"code":100,"message":""#.utf8) + [0xED, 0xA0, 0x80] + Array(#""}}"#.utf8),
            code: "code_spent",
            message: "not UTF-8"
        ),
        says("a megabyte in the message", #"{"code":100,"message":"\#(megabyte)"}"#, message: "^x+…$"),
        says("a character of a megabyte", #"{"code":100,"message":"e\#(marks)"}"#, message: "^e"),
        says(
            "a megabyte in the details",
            #"{"code":100,"message":"m","error_data":"\#(megabyte)"}"#,
            message: "^m .x+…$"
        ),
        says(
            "a megabyte in the trace",
            #"{"code":100,"message":"m","fbtrace_id":"\#(megabyte)"}"#,
            message: "^m$",
            fbtrace: "^x{100}…$"
        ),
        says("what a terminal obeys", #"{"code":100,"message":"\u001b[2J\u202e\u2028\r\n\u009b31m"}"#, message: "2J"),
        says("emoji and right to left", #"{"code":100,"message":"👩‍👩‍👧 לא ✅"}"#, message: "👧 לא ✅"),
        says("a token", #"{"code":100,"message":"bad EAAcanary0123456789"}"#, message: "^bad .secret.$"),
        says("a message that is none", #"{"code":100,"message":[1],"fbtrace_id":{}}"#, message: "^$"),
        says("a code as text", #"{"code":"100","message":"\u0000"}"#, code: "code_spent", message: "error envelope"),
        says(
            "a code beyond any number",
            #"{"code":1e99,"message":"\u0000"}"#,
            code: "code_spent",
            message: "error envelope"
        ),
        says(
            "a negative code",
            #"{"code":-9223372036854775808,"message":"m"}"#,
            code: "-9223372036854775808",
            message: "^m$"
        ),
        says(
            "no UTF-8 in the content type",
            Array("<html>".utf8),
            headers: Array("Content-Type: text/".utf8) + [0xFF, 0xC0] + Array("\r\nX-FB-Trace-ID: ".utf8) + [0xFE],
            code: "code_spent",
            message: "not Graph's: text/"
        ),
        says(
            "a challenge in no UTF-8",
            Array(#"{"error":{"code":100,"message":"m"}}"#.utf8),
            headers: Array("WWW-Authenticate: OAuth \"".utf8) + [0xFF, 0x22],
            message: "^m$"
        ),
    ]

    // MARK: The run

    @Test func `A worker outlives all that can come in place of an answer, in bounded time and memory`() async throws {
        let faults = GraphFault.all + [try await GraphFault.bomb()]
        let answers = faults.map(\.answer) + Self.words.map(\.fault.answer)
        let server = try ScriptedServer { peer in
            while let request = peer.readRequest() {
                if let number = request.firstMatch(of: /code=fault-([0-9]+)-/).flatMap({ Int($0.output.1) }) {
                    return answers[number](peer)
                }
                peer.answer(#"{"access_token":"EAAcanary0123456789","success":true}"#)
            }
        }
        defer { server.stop() }
        try await script(
            """
            UPDATE embark.installation SET partner_mode = 'tech-provider', verify_grant = false
            """
        )
        let result = try await RunningWorker.with(
            graph: server.url,
            database: TestDatabase.current.url,
            environment: ["EMBARK_LOG_LEVEL": "info"]
        ) { worker in
            try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
            try await Self.warmUp()
            try await Self.meet(faults, worker)
            try await Self.hear(from: faults.count, worker)
            #expect(try await worker.isReady())
        }
        #expect(result.code == 0, "\(result.err.suffix(2000))")
        _ = try result.logLines()
        #expect(!result.all.contains("canary"))
    }

    private static func enqueue(_ code: String) async throws {
        try await script(
            "SELECT embark.enqueue_signup(code => '\(code)', waba_id => '1', flow => 'api_access_only', external_id => '\(code)')"
        )
    }

    /// So that what every worker has in memory after a while is there.
    private static func warmUp() async throws {
        for number in 0..<warmUps { try await enqueue("healthy-\(number)") }
        try await eventually("the healthy ones are completed", within: .seconds(20)) {
            try await count("embark.signups WHERE state = 'completed'") == warmUps
        }
    }

    private static func meet(_ faults: [GraphFault], _ worker: RunningWorker) async throws {
        for (number, fault) in faults.enumerated() where !fault.isEndless {
            let before = try highWater(of: worker)
            try await enqueue("fault-\(number)-0")
            try await settled(["fault-\(number)-0"], within: .seconds(15), fault.testDescription)
            let growth = try highWater(of: worker) - before
            #expect(growth < growthMax, "\(growth) KiB more after \(fault.testDescription)")
        }
        // Those without an end side by side, three times each: a busy machine delays one call or another.
        let before = try highWater(of: worker)
        let endless = faults.indices.filter { faults[$0].isEndless }
        let codes = endless.flatMap { number in (0..<3).map { "fault-\(number)-\($0)" } }
        for code in codes { try await enqueue(code) }
        try await settled(codes, within: .seconds(30), "what has no end")
        let growth = try highWater(of: worker) - before
        #expect(growth < growthMax, "\(growth) KiB more after what has no end")
        for number in endless {
            let seconds = try await texts(
                """
                SELECT extract(epoch FROM min(a.finished_at - a.started_at))::text
                  FROM embark.attempts AS a JOIN embark.signups AS s ON s.id = a.signup_id
                 WHERE s.external_id LIKE 'fault-\(number)-%'
                """
            )
            let took = try #require(seconds.first.flatMap { Double($0) })
            let limit = Step.exchangeCode.policy.callSeconds
            #expect((limit...limit + 0.25).contains(took), "\(took) s for \(faults[number].testDescription)")
        }
        let ends = try await texts(
            """
            SELECT DISTINCT concat_ws(' ', s.state, s.error_code, s.waiting_on, a.verdict)
              FROM embark.signups AS s JOIN embark.attempts AS a ON a.signup_id = s.id
             WHERE s.external_id LIKE 'fault-%' OR s.external_id LIKE 'healthy-%' ORDER BY 1
            """
        )
        #expect(ends == ["completed done", "failed code_spent customer fail"])
        let wordless = try await count("embark.attempts WHERE verdict = 'fail' AND length(error_message) < 40")
        #expect(wordless == 0)
    }

    private static func hear(from first: Int, _ worker: RunningWorker) async throws {
        let before = try highWater(of: worker)
        for (place, words) in words.enumerated() {
            let code = "fault-\(first + place)-0"
            try await enqueue(code)
            try await settled([code], within: .seconds(15), words.fault.testDescription)
            for table in ["signups", "attempts"] {
                let found = try await count(
                    """
                    embark.signups AS s JOIN embark.\(table) AS t ON t.\(table == "signups" ? "id" : "signup_id") = s.id
                     WHERE s.external_id = '\(code)'
                       AND t.error_code = \(table == "signups" ? "'\(words.code)'" : "t.error_code")
                       AND t.error_message ~ $re$\(words.message)$re$ AND length(t.error_message) <= 1001
                    """
                )
                #expect(found == 1, "\(words.fault.testDescription) in \(table)")
            }
            if let fbtrace = words.fbtrace {
                #expect(try await count("embark.attempts WHERE fbtrace_id ~ $re$\(fbtrace)$re$") == 1)
            }
            let card = try await Command.run("why", code)
            #expect(card.code == 0 && card.outLines.count <= 24, "\(card.err)")
            #expect(!card.out.unicodeScalars.contains { $0 != "\n" && SampleSignups.isObeyed($0) })
        }
        let growth = try highWater(of: worker) - before
        #expect(growth < growthMax, "\(growth) KiB more after Graph's words")
    }

    private static func settled(_ codes: [String], within limit: Duration, _ what: String) async throws {
        let names = codes.map { "'\($0)'" }.joined(separator: ", ")
        try await eventually("\(what) is settled", within: limit) {
            try await count("embark.signups WHERE state = 'failed' AND external_id IN (\(names))") == codes.count
        }
    }

    /// The most memory that the process has had, in KiB.
    private static func highWater(of worker: RunningWorker) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(worker.processID)/status", encoding: .utf8)
        let found = try #require(status.firstMatch(of: /VmHWM:\s+([0-9]+) kB/))
        return try #require(Int(found.output.1))
    }
}
