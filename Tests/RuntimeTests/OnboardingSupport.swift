/// Worker processes against a simulated Graph API: what the onboarding tests share.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Subprocess
import Support
import Testing

/// A simulator in this process, on a free port of loopback, for the length of a test.
struct SimulatedPlatform: Sendable {
    let simulator: Simulator
    let url: String

    static func with<Result: Sendable>(
        faults: String = "{}",
        latency: TimeAmount = .zero,
        _ body: (SimulatedPlatform) async throws -> Result
    ) async throws -> Result {
        let simulator = Simulator(faults: try FaultPlan(json: faults), seed: 1)
        let server = try await SimulatorServer.start(simulator, latency: latency...latency)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(
                try await body(SimulatedPlatform(simulator: simulator, url: "http://127.0.0.1:\(server.port)"))
            )
        } catch {
            outcome = .failure(error)
        }
        try await server.stop()
        return try outcome.get()
    }

    /// The ledger's lines of one kind, as objects.
    func ledger(_ kind: String) throws -> [[String: String]] {
        try simulator.ledger.compactMap { line in
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            guard object["kind"] as? String == kind else { return nil }
            return object.compactMapValues { $0 as? String }
        }
    }

    /// How often each effect of this name befell each thing: `["102": 1]`.
    func effects(_ name: String, by key: String) throws -> [String: Int] {
        try ledger("effect").filter { $0["effect"] == name }
            .reduce(into: [:]) { counts, effect in counts[effect[key] ?? "?", default: 0] += 1 }
    }
}

/// `embark worker --until-idle` with everything that it needs.
enum WorkerProcess {
    static let keys = KeyRing.newKeySet(id: "test").revealed
    static let appSecret = "canary-app-secret-8a6b"
    static let systemToken = "EAAcanarySystemToken77c1"

    static func environment(graph url: String, _ more: [String: String] = [:]) -> [String: String] {
        [
            "EMBARK_GRAPH_URL": url, "EMBARK_APP_SECRET": appSecret, "EMBARK_SYSTEM_TOKEN": systemToken,
            "EMBARK_SEALING_KEYS": keys, "EMBARK_LISTEN": "127.0.0.1:0", "EMBARK_LOG_LEVEL": "trace",
        ].merging(more) { $1 }
    }

    static func run(
        _ platform: SimulatedPlatform,
        environment: [String: String] = [:]
    ) async throws -> CommandResult {
        try await Command.run(
            ["worker", "--until-idle"],
            database: TestDatabase.current.url,
            environment: self.environment(graph: platform.url, environment)
        )
    }
}

/// A customer of the simulator's: number `n`.
enum Customer {
    static func wabaID(_ n: Int) -> String { "1022901293\(40_000 + n)" }
    static func phoneID(_ n: Int) -> String { "1065403522\(40_000 + n)" }
    static func businessID(_ n: Int) -> String { "27290634\(90_000 + n)" }
    static func code(_ n: Int, _ end: String = "code") -> String {
        "\(wabaID(n)).\(phoneID(n)).\(businessID(n)).\(end)"
    }

    /// Enqueues customers with one statement, as an upstream system would.
    static func enqueue(
        _ numbers: ClosedRange<Int>,
        end: String = "code",
        pin: String? = nil,
        messageEvery: Int? = nil,
        namesBusiness: Bool = true
    )
        async throws
    {
        let rows = numbers.map { n in
            let recipient = messageEvery.map { n.isMultiple(of: $0) } == true ? "'+16505551234'" : "NULL"
            let business = namesBusiness ? "'\(businessID(n))'" : "NULL"
            return "('\(code(n, end))', '\(wabaID(n))', '\(phoneID(n))', \(business), 'USD', "
                + "\(pin.map { "'\($0)'" } ?? "NULL"), \(recipient))"
        }
        try await withConnection { connection in
            try await connection.script(
                """
                INSERT INTO embark.signup_inbox
                    (code, waba_id, phone_number_id, business_id, currency, pin, test_recipient)
                VALUES \(rows.joined(separator: ", "))
                """
            )
        }
    }
}
