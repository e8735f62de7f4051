/// Ten thousand failed signups are replayed by filter while a worker goes on.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.timeLimit(.minutes(10))) struct ReplayManyTests {
    private static let signups = 10_000
    /// More than come while the replay lasts.
    private static let customersMax = 2000

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
                    async let customers = Self.onboardCustomers(server.url)
                    let replayed = try await Command.run(
                        [
                            "replay", "--state", "failed", "--step", "subscribe_app", "--error-code", "131000",
                            "--since", "24h", "--yes", "--max", "\(Self.signups)", "-o", "jsonl",
                        ],
                        database: server.url
                    )
                    let through = try await customers
                    #expect(replayed.code == 0, "\(replayed.err)")
                    let results = try replayed.objectLines().map { $0["result"] as? String }
                    #expect(results.count == Self.signups && Set(results) == ["replayed"])
                    // From the exchange to the end, between the first replay and the last one.
                    #expect(try await Self.value(Self.throughMeanwhile, server.url) > 0, "of \(through) who came")
                    try await eventually("all of them have ended", within: .seconds(60)) {
                        try await Self.value("SELECT count(*) FROM embark.jobs", server.url) == 0
                    }
                    let completed = "SELECT count(*) FROM embark.signups WHERE state = 'completed'"
                    #expect(try await Self.value(completed, server.url) == Int64(through))
                }
                #expect(worker.code == 0, "\(worker.err)")
            }
            // Each was run again, once.
            let again = "embark.signups WHERE state = 'failed' AND error_code = 'waba_missing' AND generation = 2"
            #expect(try await Self.value("SELECT count(*) FROM \(again)", server.url) == Int64(Self.signups))
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

    private static let throughMeanwhile = """
        SELECT count(*)
          FROM (SELECT min(at) AS first, max(at) AS last FROM embark.audit WHERE action = 'replay') AS replay
          JOIN (SELECT a.signup_id, min(a.started_at) AS begun, max(a.finished_at) AS ended
                  FROM embark.attempts AS a JOIN embark.signups AS s ON s.id = a.signup_id AND s.state = 'completed'
                 GROUP BY a.signup_id) AS customer ON customer.begun > replay.first AND customer.ended < replay.last
        """

    /// One customer after the other for as long as there is something to replay. Returns how many.
    private static func onboardCustomers(_ url: String) async throws -> Int {
        try await withConnection(to: url) { connection in
            let left = "SELECT EXISTS (SELECT FROM embark.signups WHERE state = 'failed' AND error_code = '131000')"
            for n in 1...customersMax {
                let code = Customer.code(n)
                try await connection.script(
                    "INSERT INTO embark.signup_inbox (code, external_id, waba_id, currency) "
                        + "VALUES ('\(code)', 'customer-\(n)', '\(Customer.wabaID(n))', 'USD')"
                )
                let through = "SELECT state <> 'running' FROM embark.signups WHERE external_id = 'customer-\(n)'"
                try await eventually("customer \(n) is through", within: .seconds(60)) {
                    try await connection.value(through, as: Bool.self)
                }
                guard try await connection.value(left, as: Bool.self) else { return n }
            }
            return customersMax
        }
    }

    /// Signups that failed at a step which ends without a call.
    private static func fill(_ url: String) async throws {
        try await withConnection(to: url) { connection in
            try await connection.script(
                """
                INSERT INTO embark.signups (flow, plan, code_issued_at, state, failed_step, waiting_on, error_code,
                                            error_message, updated_at)
                SELECT 'cloud_api', '{exchange_code,subscribe_app}', now(), 'failed', 'subscribe_app', 'operator', '131000',
                       'Something went wrong', now() - n * interval '1 s'
                  FROM generate_series(1, \(signups)) AS n;
                INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups
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
