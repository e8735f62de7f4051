/// A small run of a real worker for the tests of the checker, made once: signups of all flows with a fault or an operator's move
/// in each, which the checker finds whole.
import Foundation
import GraphSimulator
import Invariants
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Synchronization
import Testing

enum HonestRun {
    static let pin = "047193"
    static let canaries = [
        Canary("a code", text: "canary-code-51c2"), Canary("the PIN", pin: pin),
        Canary("the app secret", text: WorkerProcess.appSecret),
        Canary("the system token", text: WorkerProcess.systemToken),
        Canary("a business token", text: "SimulatedBusinessToken"),
    ]
    /// The same, as texts.
    static let secrets = [
        "canary-code-51c2", pin, WorkerProcess.appSecret, WorkerProcess.systemToken, "SimulatedBusinessToken",
    ]
    /// What each signup is for; its number is its id.
    static let messageAndOverride = 1
    static let onlyWABA = 2
    static let coexistence = 3
    static let apiAccessOnly = 4
    static let expired = 5
    static let replayed = 6
    static let cancelled = 7
    static let throttled = 8
    static let lostToken = 9
    static let skipped = 10
    static let retried = 11
    static let sameAccount = 12
    static let waiting = 13

    /// The database as the run has left it.
    static let template = Template("honest_run") { connection in
        try await Migrator().migrate(on: connection)
        let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
        try await InstallationStore.write(installation, on: connection)
        let name = try await connection.value("SELECT current_database()::text", as: String.self)
        try await run(on: connection, url: url(try await TestServer.url, database: name))
    }

    /// The simulator's ledger of it, and all that its workers have said.
    static var ledger: [String] { kept.withLock(\.ledger) }
    static var log: String { kept.withLock(\.log) }

    private static let kept = Mutex((ledger: [String](), log: ""))

    private static func row(_ n: Int, account: Int? = nil, end: String = "", _ more: [String: String] = [:]) -> String {
        let account = account ?? n
        let values = [
            "code": Customer.code(account, "canary-code-51c2-\(n)\(end)"), "waba_id": Customer.wabaID(account),
            "phone_number_id": Customer.phoneID(account), "business_id": Customer.businessID(account),
            "currency": "USD", "flow": "cloud_api", "pin": pin,
        ].merging(more) { $1 }
        let names = [
            "code", "waba_id", "phone_number_id", "business_id", "currency", "flow", "pin", "test_recipient",
            "webhook_override",
        ]
        return "(" + names.map { values[$0].map { $0.isEmpty ? "NULL" : "'\($0)'" } ?? "NULL" }.joined(separator: ", ")
            + ")"
    }

    private static func enqueue(_ rows: [String], on connection: Connection) async throws {
        try await connection.script(
            """
            INSERT INTO embark.signup_inbox
                (code, waba_id, phone_number_id, business_id, currency, flow, pin, test_recipient, webhook_override)
            VALUES \(rows.joined(separator: ", "))
            """
        )
    }

    private static func run(on connection: Connection, url: String) async throws {
        let faults = """
            {"subscribe_app@\(Customer.wabaID(throttled))": ["code:80007"],
             "exchange_code@\(Customer.wabaID(lostToken))": ["reset_after"],
             "assign_system_user@\(Customer.wabaID(skipped))": ["code:100"],
             "subscribe_app@\(Customer.wabaID(retried))": ["http500"]}
            """
        let override = #"{"override_callback_uri": "https://hooks.example.com/1", "verify_token": "verify-1"}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await enqueue(
                [
                    row(messageAndOverride, ["test_recipient": "+16505551234", "webhook_override": override]),
                    row(onlyWABA, ["flow": "only_waba"]), row(coexistence, ["flow": "coexistence"]),
                    row(apiAccessOnly, ["flow": "api_access_only", "currency": ""]),
                    row(expired, end: "expired", ["business_id": ""]), row(replayed, end: "-pin424242"),
                    row(cancelled, end: "-pin424242"), row(throttled), row(lostToken),
                    row(skipped), row(retried),
                ],
                on: connection
            )
            try await work(platform, url) {
                try await connection.value(
                    "SELECT count(*) FROM embark.jobs WHERE step <> 'subscribe_app'",
                    as: Int64.self
                ) == 0
            }
            try await connection.script(
                """
                SELECT embark.replay(\(replayed), new_pin => '424242');
                SELECT embark.cancel(\(cancelled));
                SELECT embark.skip(\(skipped));
                SELECT embark.resume('waba:\(Customer.wabaID(throttled))')
                """
            )
            // Not beside the first one of its account, whose share it might have to wait for.
            try await enqueue([row(sameAccount, account: messageAndOverride)], on: connection)
            try await work(platform, url) {
                try await connection.value("SELECT count(*) FROM embark.jobs", as: Int64.self) == 0
            }
            try await enqueue([row(waiting)], on: connection)
            kept.withLock { $0.ledger = platform.simulator.takeLedger() }
        }
    }

    private static func work(
        _ platform: SimulatedPlatform,
        _ url: String,
        until isOver: @escaping @Sendable () async throws -> Bool
    ) async throws {
        let result = try await RunningWorker.with(graph: platform.url, database: url) { _ in
            try await eventually("all have come to an end", within: .seconds(180), isOver)
        }
        guard result.code == 0 else { throw SupportError("the worker ended with \(result.err.suffix(2000))") }
        kept.withLock { $0.log += result.all }
    }

    /// What the checker finds in the test's database, in this ledger and in these texts.
    static func check(
        _ lines: [String] = ledger,
        texts: [String] = [],
        acknowledged: [Int64] = [1],
        planted: String? = nil
    ) async throws -> [BrokenInvariant] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "embark-texts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (number, text) in ([log] + texts).enumerated() {
            try Data(text.utf8).write(to: folder.appending(path: "\(number).log"))
        }
        var ledger = try Invariants.Ledger()
        let checker = InvariantChecker(
            database: TestDatabase.current.url,
            ledger: ledger,
            canaries: canaries,
            texts: [folder],
            propagationSeconds: 0.2
        )
        await checker.acknowledge(acknowledged)
        try await checker.snapshot(behind: .zero)
        if let planted { try await script(planted) }
        try ledger.append(lines: lines)
        let found = try await checker.broken()
        try FileManager.default.removeItem(at: folder)
        return found
    }
}
