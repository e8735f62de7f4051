/// Ten thousand failed signups are replayed by filter while a worker goes on.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct ReplayManyTests {
    private static let signups = 10_000
    private static let customers = 20

    @Test func `Ten thousand are replayed beside a worker, and no statement takes a second`() async throws {
        let settings = ["fsync=off", "log_min_duration_statement=1000", "log_parameter_max_length=0"]
        try await PrivateServer.with(settings: settings) { server in
            try await withConnection(to: server.url) { connection in
                try await Migrator().migrate(on: connection)
                let installation = Installation(appID: "1", creditLineID: "2", systemUserID: "3")
                try await InstallationStore.write(installation, on: connection)
            }
            try await Self.fill(server.url)
            // To fill the tables may take as long as it likes.
            let filled = try await Self.slowStatements(server.url).count
            try await SimulatedPlatform.with { platform in
                let worker = try await RunningWorker.with(
                    graph: platform.url,
                    database: server.url,
                    environment: ["EMBARK_LOG_LEVEL": "error"]
                ) { _ in
                    let replayed = try await Command.run(
                        [
                            "replay", "--state", "failed", "--step", "subscribe_app", "--error-code", "131000",
                            "--since", "24h", "--yes", "--max", "\(Self.signups)", "-o", "jsonl",
                        ],
                        database: server.url
                    )
                    #expect(replayed.code == 0, "\(replayed.err)")
                    let results = try replayed.objectLines().map { $0["result"] as? String }
                    #expect(results.count == Self.signups && Set(results) == ["replayed"])
                    try await eventually("all of them have ended", within: .seconds(60)) {
                        try await Self.value("SELECT count(*) FROM embark.jobs", server.url) == 0
                    }
                }
                #expect(worker.code == 0, "\(worker.err)")
            }
            // Each was run again, once; the customers who came meanwhile are through.
            let again = "embark.signups WHERE state = 'failed' AND error_code = 'waba_missing' AND generation = 2"
            #expect(try await Self.value("SELECT count(*) FROM \(again)", server.url) == Int64(Self.signups))
            let through = "SELECT count(*) FROM embark.signups WHERE state = 'completed'"
            #expect(try await Self.value(through, server.url) == Int64(Self.customers))
            #expect(
                try await Self.value("SELECT count(*) FROM embark.audit WHERE action = 'replay'", server.url)
                    == Int64(Self.signups)
            )
            let slow = try await Self.slowStatements(server.url).dropFirst(filled)
            #expect(slow.isEmpty, "\(slow)")
            // That one would have been found.
            _ = try await withConnection(to: server.url) { try await $0.script("SELECT pg_sleep(1.01)") }
            #expect(try await Self.slowStatements(server.url).count == filled + 1)
        }
    }

    /// Signups that failed at a step which ends without a call, and customers whose calls go on.
    private static func fill(_ url: String) async throws {
        let popups = (1...customers).map { "('\(Customer.code($0))', '\(Customer.wabaID($0))', 'USD')" }
        try await withConnection(to: url) { connection in
            try await connection.script(
                """
                INSERT INTO embark.signups (flow, plan, code_issued_at, state, failed_step, waiting_on, error_code,
                                            error_message, updated_at)
                SELECT 'cloud_api', '{exchange_code,subscribe_app}', now(), 'failed', 'subscribe_app', 'operator', '131000',
                       'Something went wrong', now() - n * interval '1 s'
                  FROM generate_series(1, \(signups)) AS n;
                INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups;
                INSERT INTO embark.signup_inbox (code, waba_id, currency) VALUES \(popups.joined(separator: ", "))
                """
            )
        }
    }

    private static func value(_ sql: String, _ url: String) async throws -> Int64 {
        try await withConnection(to: url) { try await $0.value(sql, as: Int64.self) }
    }

    /// What the server has logged because it took a second or more.
    private static func slowStatements(_ url: String) async throws -> [String] {
        let path = try await withConnection(to: url) { connection in
            try await connection.value("SELECT current_setting('data_directory') || '/server.log'", as: String.self)
        }
        let log = try String(contentsOfFile: path, encoding: .utf8)
        return log.split(separator: "\n").filter { $0.contains("duration: ") }.map(String.init)
    }
}
