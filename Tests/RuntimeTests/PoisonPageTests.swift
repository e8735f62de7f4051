/// The pages, whatever stands in the tables: each is rendered, no wider than it must be, and nothing on it is obeyed by a terminal.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct PoisonPageTests {
    /// The widest line that a page has of what Embark itself takes in and writes.
    private static let columnsMax = 2_200

    /// A signup in each state, spoilt in all that is shown of it.
    private static let signups = """
        ALTER TYPE embark.signup_state ADD VALUE 'lost'; ALTER TYPE embark.flow ADD VALUE 'moon';
        ALTER TYPE embark.party ADD VALUE 'nobody'
        """

    private static let rows = """
        INSERT INTO embark.signups (id, external_id, state, generation, flow, plan, failed_step, waiting_on, error_code, error_message,
                                    waba_id, phone_number_id, warnings, code_issued_at, metadata, created_at, updated_at)
        OVERRIDING SYSTEM VALUE
        SELECT v.id, v.id || E'\\x1b[2J\\u202e\\u009b31m', v.state::embark.signup_state, v.generation, v.flow::embark.flow, v.plan,
               v.step, v.party::embark.party, v.code, v.code, '1', '1', v.warnings, v.at, v.metadata, v.at, v.moved
          FROM (VALUES
            (1, 'failed', 2147483647, 'moon', '{}'::text[], E'\\x1b', 'nobody', E'\\x1b[2J', '{{NULL,a}}'::text[], 'infinity'::timestamptz,
                'infinity'::timestamptz, '{"a": "\\u001b\\u202e\\u009b"}'::jsonb),
            (2, 'running', -2147483648, 'cloud_api', ARRAY[NULL, 'exchange_code'], NULL, NULL, NULL, '{NULL}', '-infinity', '-infinity',
                '1e300'),
            (3, 'completed', 0, 'cloud_api', '{{exchange_code,verify_grant}}', NULL, NULL, NULL, array_fill('w'::text, ARRAY[10000]),
                '1900-01-01', '9999-12-31', (repeat('[', 300) || repeat(']', 300))::jsonb),
            (4, 'cancelled', 1, 'cloud_api', array_fill('exchange_code'::text, ARRAY[10000]), NULL, NULL, NULL, '{}',
                '4713-01-01 BC', '294276-12-31', jsonb_build_object('a', repeat('😀', 262144))),
            (5, 'lost', 1, 'cloud_api', ARRAY[repeat('é', 524288)], repeat('é', 524288), 'customer', repeat('c', 1048576), '{}',
                '294276-12-31', '4713-01-01 BC', '[]'),
            (-6, 'failed', 1, 'cloud_api', '{exchange_code}', NULL, NULL, NULL, '{}', now(), now(), 'null'),
            (9223372036854775807, 'failed', 1, 'cloud_api', '{register_phone}', 'register_phone', 'operator', '133005', '{}', now(),
                now(), '{}')
          ) AS v (id, state, generation, flow, plan, step, party, code, warnings, at, moved, metadata);
        INSERT INTO embark.jobs (signup_id, step, lane, due_at, attempt, give_up_at, lease_id, worker_id, interrupted)
        VALUES (1, repeat('x', 1048576), 7, '-infinity', -1, 'infinity', -1, -1, -1), (2, E'\\x1b[2J', -32768, 'infinity', 2147483647, NULL,
                NULL, NULL, 32767), (3, '', 0, '4713-01-01 BC', 0, NULL, 1, 1, 0), (-9, 'x', 5, '294276-12-31', 0, NULL, 1, 1, 0);
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                                     http_status, error_code, error_message, fbtrace_id)
        SELECT s.id, s.generation, E'\\x1b', -1, E'\\x1b[2J', t.at, u.at, -1, -1, -32768, repeat('c', 2000), repeat(E'\\x1b[2J\\u202e', 2000),
               E'\\x1b'
          FROM embark.signups AS s, unnest('{infinity,-infinity,1900-01-01,294276-12-31}'::timestamptz[]) AS t (at),
               unnest('{infinity,-infinity,9999-12-31,4713-01-01 BC}'::timestamptz[]) AS u (at);
        INSERT INTO embark.register_calls (phone_number_id, called_at, signup_id) SELECT '1', '294276-12-31', 1 FROM generate_series(1, 9);
        INSERT INTO embark.secrets (signup_id, sealed_token, sealed_pin) VALUES (1, E'\\x1b', repeat('e', 1048576)), (2, '', 'a.b.c.d.e')
        """

    @Test func `Every page is rendered, in its width and its format, and shows nothing that is obeyed`() async throws {
        try await script(Self.signups)
        try await script(Poison.around, deadline: .seconds(30))
        try await script(Self.rows, deadline: .seconds(30))
        for id in ["1", "2", "3", "4", "5", "9223372036854775807"] {
            try await Self.check(["why", id], columns: 80)
            try await Self.check(["signup", "show", id])
        }
        // A number with a sign is an option to whoever reads the command line, and the external id another way.
        for word in ["-6", "-6\u{1B}[2J\u{202E}\u{9B}31m"] {
            try await Self.check(["why"], columns: 80, behind: ["--", word])
            try await Self.check(["signup", "show"], behind: ["--", word])
        }
        try await Self.check(["why", "1"], columns: 80)
        try await Self.check(["signup", "list"])
        try await Self.check(["signup", "list", "--state", "failed"])
        try await Self.check(["top", "--once"])
        // It fails for what it finds, and not for want of an answer.
        try await Self.check(["doctor"], codes: [1])
        let doctor = try await Command.run("doctor", "-o", "jsonl")
        let findings = try doctor.objectLines()
        let overdue = findings.first { $0["check"] as? String == "queue" }
        #expect((overdue?["message"] as? String)?.contains("signup 1") == true, "\(doctor.out.prefix(4000))")
    }

    private static func check(
        _ arguments: [String],
        columns: Int = columnsMax,
        codes: Set<Int32> = [0],
        behind: [String] = []
    ) async throws {
        let url = TestDatabase.current.url
        for format in arguments == ["signup", "list"] ? ["table", "json", "jsonl"] : ["table", "json"] {
            let result = try await Command.run(arguments + ["-o", format, "--no-color"] + behind, database: url)
            let name = "\(arguments + behind) \(format)"
            #expect(result.code.map(codes.contains) == true, "\(name): \(result.err.prefix(500))")
            #expect(!Self.showsObeyed(result.all), "\(name)")
            switch format {
            case "table":
                let widest = result.outLines.map(\.unicodeScalars.count).max() ?? 0
                #expect(widest <= columns, "\(name) is \(widest) wide")
            case "json": #expect(throws: Never.self, "\(name)") { _ = try result.json() }
            default: #expect(throws: Never.self, "\(name)") { _ = try result.objectLines() }
            }
        }
    }

    /// Over the bytes, for a page has megabytes here: controls, also those behind ASCII (C2 80 to C2 9F), and directions.
    private static func showsObeyed(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { utf8 in
            for (place, byte) in utf8.enumerated() where byte < 0x20 || byte >= 0x7F {
                switch byte {
                case UInt8(ascii: "\n"): continue
                case 0..<0x20, 0x7F: return true
                case 0xC2 where utf8[place + 1] < 0xA0: return true
                case 0xE2 where utf8[place + 1] == 0x80 && (0xAA...0xAE).contains(utf8[place + 2]): return true
                case 0xE2 where utf8[place + 1] == 0x81 && (0xA6...0xA9).contains(utf8[place + 2]): return true
                default: continue
                }
            }
            return false
        }
    }
}
