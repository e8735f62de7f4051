/// What a run happens in: a PostgreSQL and a Graph API of its own, and a folder for what they leave.
import Foundation
import GraphSimulator
import NIOCore
import Postgres
import Subprocess
import Support

struct World: Sendable {
    let server: PrivateServer
    let simulator: Simulator
    let graphURL: String
    let directory: String
    private let graph: SimulatorServer

    var logs: String { directory + "/logs" }
    var ledgerPath: String { directory + "/ledger.jsonl" }

    /// The superuser's, a worker's and an upstream's.
    func url(user: String) -> String { server.url.replacing("postgres@", with: "\(user)@") }

    static func make(seed: UInt64, embark: String, directory: String) async throws -> World {
        try FileManager.default.createDirectory(atPath: directory + "/logs", withIntermediateDirectories: true)
        try Data().write(to: URL(filePath: directory + "/ledger.jsonl"))
        // Durable, as in production; what a caller binds is not logged, as README asks for.
        let server = try await PrivateServer.start(settings: [
            "shared_buffers=256MB", "max_wal_size=2GB", "max_connections=150", "log_parameter_max_length=0",
            "log_parameter_max_length_on_error=0",
        ])
        do {
            let simulator = Simulator(seed: seed)
            let graph = try await SimulatorServer.start(simulator, latency: .milliseconds(2) ... .milliseconds(20))
            let world = World(
                server: server,
                simulator: simulator,
                graphURL: "http://127.0.0.1:\(graph.port)",
                directory: directory,
                graph: graph
            )
            try await world.prepare(embark)
            return world
        } catch {
            try await server.remove()
            throw error
        }
    }

    func remove() async throws {
        try await graph.stop()
        try await server.remove()
    }

    private func prepare(_ embark: String) async throws {
        try await command(embark, ["migrate"])
        try await command(
            embark,
            [
                "configure", "--partner-mode", "solution-partner", "--app-id", "1234567890", "--credit-line-id",
                "1111111111", "--system-user-id", "2222222222",
            ]
        )
        let connection = try await Connection.open(ConnectionOptions(server.url, applicationName: "chaos"))
        try await connection.script(
            """
            CREATE ROLE chaos_worker LOGIN IN ROLE embark_worker;
            CREATE ROLE chaos_upstream LOGIN IN ROLE embark_upstream;
            """
        )
        await connection.close()
    }

    /// A command of Embark's as the superuser; throws with its words when it fails.
    @discardableResult
    func command(_ embark: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .name("sh"),
            arguments: Arguments(["-c", #"exec "$0" "$@""#, embark] + arguments),
            environment: .custom([
                "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": "/",
                "EMBARK_DATABASE_URL": server.url,
            ]),
            input: .none,
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        guard result.terminationStatus.isSuccess else {
            throw SupportError("embark \(arguments[0]) failed: \(result.standardError)")
        }
        return result.standardOutput
    }
}
