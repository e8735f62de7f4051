/// A set-up with nothing wrong, and what doctor finds in it as lines.
import Foundation
import GraphSimulator
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

enum DoctorFindings {
    static func now(_ secondsOff: Int64 = 0) -> Timestamp {
        let now = Int64((Date().timeIntervalSince1970 - 946_684_800) * 1_000_000)
        return Timestamp(microsecondsSince2000: now + secondsOff * 1_000_000)
    }

    /// All that is not OK, as "LEVEL subject: message → remedy".
    static func of(
        _ database: String,
        limits: Doctor.Limits = Doctor.Limits(),
        environment: [String: String] = [:],
        secondsOff: Int64 = 0
    ) async throws -> [String] {
        try await SimulatedPlatform.with { platform in
            let settings = ["EMBARK_GRAPH_URL": platform.url, "EMBARK_GRAPH_VERSION": "v26.0"].merging(environment) {
                $1
            }
            let doctor = Doctor(
                options: try ConnectionOptions(database, applicationName: "doctor's tests"),
                settings: try DoctorSettings(sources: SettingSources(environment: settings)),
                limits: limits
            )
            return await doctor.examine { now(secondsOff) }.findings.filter { $0.level != .ok }.map { finding in
                "\(finding.level.rawValue) \(finding.subject): \(finding.message)"
                    + (finding.remedy.map { " → " + $0 } ?? "")
            }
        }
    }

    /// The command, with a Graph that it can reach.
    static func command(_ arguments: [String], _ database: String) async throws -> CommandResult {
        try await SimulatedPlatform.with { platform in
            let settings = ["EMBARK_GRAPH_URL": platform.url, "EMBARK_GRAPH_VERSION": "v26.0"]
            return try await Command.run(arguments, database: database, environment: settings)
        }
    }

    /// A migrated and configured database with a worker, on a server that logs no parameters.
    static func withSetUp(_ body: (String, Connection) async throws -> Void) async throws {
        let database = try await OwnServer.makeDatabase()
        try await withConnection(to: database) { connection in
            try await Migrator().migrate(on: connection)
            let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
            try await InstallationStore.write(installation, on: connection)
            try await connection.script(
                "INSERT INTO embark.workers (host, pid, version) VALUES ('one.example', 1, '0.1.0')"
            )
            try await body(database, connection)
        }
        // Or its rights would keep the roles of the cluster from being dropped.
        let name = database.split(separator: "/").last ?? ""
        try await OwnServer.administer("DROP DATABASE \(name)")
    }
}
