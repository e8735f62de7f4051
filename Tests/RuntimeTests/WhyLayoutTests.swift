/// The card's page: 24 lines of 80 columns, the commands whole, whatever stands in the database.
import Foundation
import Glibc
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct WhyLayoutTests {
    struct Hostile: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        var testDescription: String { name }
    }

    static let hostile = [
        Hostile(
            name: "long words",
            text: String(repeating: "long words ", count: 200) + String(repeating: "y", count: 500)
        ),
        Hostile(name: "wide", text: String(repeating: "電話番号が確認されていません", count: 60)),
        Hostile(name: "wide in words", text: String(repeating: "番号 확인 번호ＷＩＤＥ ", count: 80)),
        Hostile(name: "emoji", text: String(repeating: "👨‍👩‍👧‍👦🇩🇪❤️🧑🏽‍🚀✅ ", count: 60)),
        Hostile(name: "one endless emoji", text: "🧑" + String(repeating: "\u{200D}🧑", count: 2000)),
        Hostile(name: "right to left", text: String(repeating: "מספר הטלפון لم يتم التحقق ", count: 60)),
        Hostile(name: "directions", text: String(repeating: "\u{202E}txt\u{2066}\u{2069}\u{200F}\u{061C} ", count: 60)),
        Hostile(name: "marks without end", text: "e" + String(repeating: "\u{301}\u{489}", count: 20_000)),
        Hostile(
            name: "controls",
            text: String(repeating: SampleSignups.hostileText + "\r\n\t\u{2028}\u{2029}\u{85}", count: 40)
        ),
        Hostile(name: "invisible", text: String(repeating: "\u{200B}\u{FEFF}\u{E0041}\u{AD}x\u{FE0F}", count: 400)),
        Hostile(name: "quotes", text: String(repeating: #"'"`$(touch /tmp/x)\;'--"#, count: 40)),
        Hostile(name: "blanks", text: String(repeating: " ", count: 3000) + "end"),
        Hostile(name: "a megabyte", text: String(repeating: "x", count: 1 << 20)),
        Hostile(name: "a megabyte of words", text: String(repeating: "é ", count: 1 << 19)),
        Hostile(name: "empty", text: ""),
    ]

    /// In every text of a signup, of its attempts, its pause and its audit; in what an index holds, as much as it can hold.
    private static func write(_ text: String) -> String {
        """
        CREATE TEMPORARY TABLE hostile AS SELECT $hostile$\(text)$hostile$::text AS text, left($hostile$\(text)$hostile$, 400) AS short;
        INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, error_message,
                                    waba_id, phone_number_id, allocation_config_id, warnings, code_issued_at)
        SELECT v.place || h.short, v.state::embark.signup_state, 'cloud_api',
               ARRAY['exchange_code', 'share_credit_line', left(h.text, 5000), 'register_phone'],
               CASE WHEN v.state = 'failed' THEN v.step END, CASE WHEN v.state = 'failed' THEN 'customer'::embark.party END,
               CASE WHEN v.state = 'failed' THEN coalesce(v.code, h.text) END, CASE WHEN v.state = 'failed' THEN h.text END,
               h.short, h.short, h.text, CASE WHEN v.state = 'completed' THEN ARRAY[h.text, 'test_message_failed'] ELSE '{}' END,
               now()
          FROM hostile AS h,
               (VALUES (1, 'failed', 'register_phone', NULL), (2, 'failed', 'exchange_code', 'code_expired'),
                       (3, 'failed', 'register_phone', 'effect_uncertain'), (4, 'failed', NULL, '190'),
                       (5, 'completed', NULL, NULL), (6, 'cancelled', NULL, NULL), (7, 'running', NULL, NULL),
                       (8, 'running', NULL, NULL)) AS v (place, state, step, code)
         ORDER BY v.place;
        UPDATE embark.signups SET failed_step = (SELECT h.text FROM hostile AS h) WHERE id = 4;
        -- The one that is shown for the account: it has something to say on every line.
        UPDATE embark.signups SET updated_at = now() + interval '1 min' WHERE id = 3;
        INSERT INTO embark.jobs (signup_id, step, lane, due_at)
        SELECT v.id, v.step, 5, now() + interval '1 h'
          FROM hostile AS h, LATERAL (VALUES (7, h.text), (8, 'share_credit_line')) AS v (id, step);
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, http_status,
                                     error_code, error_message, fbtrace_id)
        SELECT s.id, 1, coalesce(j.step, h.text), 1, 'fail', now(), now(), 500, h.text, h.text, h.short
          FROM hostile AS h CROSS JOIN embark.signups AS s LEFT JOIN embark.jobs AS j ON j.signup_id = s.id;
        INSERT INTO embark.throttles (scope, until, reason) SELECT 'waba:' || h.short, 'infinity', 'paused by ' || h.text FROM hostile AS h;
        INSERT INTO embark.register_calls (phone_number_id, signup_id) SELECT h.short, 1 FROM hostile AS h, generate_series(1, 9);
        INSERT INTO embark.audit (actor, action, signup_id, reason) SELECT h.text, 'cancel', 6, h.text FROM hostile AS h;
        """
    }

    @Test(arguments: hostile)
    func `No card is longer or wider than its page, or shows what a terminal obeys, and its commands are whole`(
        hostile: Hostile
    ) async throws {
        try await script(Self.write(hostile.text))
        let url = TestDatabase.current.url
        let account = String(String.UnicodeScalarView(hostile.text.unicodeScalars.prefix(400)))
        let words =
            (1...8).map { "\($0)" }
            + (account.trimmingCharacters(in: .whitespacesAndNewlines) == account && !account.isEmpty ? [account] : [])
        for word in words {
            let result = try await Command.run(["why", word, "--no-color"], database: url)
            #expect(result.code == 0, "\(result.err.prefix(500))")
            let lines = result.outLines
            #expect((6...24).contains(lines.count), "\(lines.count) lines for \(word)")
            for line in lines {
                #expect(try Self.columns(line) <= 80, "\(line)")
                #expect(line.unicodeScalars.count <= 400, "\(line.unicodeScalars.count) code points on a line")
                #expect(!line.unicodeScalars.contains(where: SampleSignups.isObeyed), "\(line)")
            }
            let commands = CardCommands(lines).commands
            let card = try await Command.run(["why", word, "-o", "json"], database: url).object()
            #expect(commands.map(\.joined) == card["next"] as? [String])
            #expect(commands.allSatisfy { $0.joined.hasPrefix("embark ") && !$0.joined.contains("touch") })
        }
        #expect(try await Command.run("why", "3").out.contains("\nOr            embark resolve 3 --did-not-happen"))
    }

    /// As many as a terminal takes that goes by the C library, whose tables are none of ours.
    private static func columns(_ line: String) throws -> Int {
        let symbol = try #require(dlsym(nil, "wcwidth"))
        let wcwidth = unsafeBitCast(symbol, to: (@convention(c) (wchar_t) -> Int32).self)
        let locale = try #require(newlocale(LC_CTYPE_MASK, "C.UTF-8", nil))
        let before = uselocale(locale)
        defer {
            uselocale(before)
            freelocale(locale)
        }
        #expect(wcwidth(0x96FB) == 2 && wcwidth(0x301) == 0, "the locale knows Unicode")
        return line.unicodeScalars.reduce(0) { $0 + max(0, Int(wcwidth(wchar_t($1.value)))) }
    }
}

/// The commands of a card, as they stand on it.
struct CardCommands {
    struct Line {
        let label: String
        /// As a person copies it: with its line breaks.
        let text: String
        /// As JSON has it.
        var joined: String { text.replacing(" \\\n  ", with: " ") }
    }

    private(set) var commands: [Line] = []

    init(_ lines: [String]) {
        var isCommand = false
        for line in lines {
            let label = line.prefix(14).trimmingCharacters(in: .whitespaces)
            let text = String(line.dropFirst(14))
            if !label.isEmpty { isCommand = ["Next", "Then", "Or"].contains(label) }
            guard isCommand else { continue }
            if label.isEmpty, let last = commands.popLast() {
                commands.append(Line(label: last.label, text: last.text + "\n" + text))
            } else {
                commands.append(Line(label: label, text: text))
            }
        }
    }
}
