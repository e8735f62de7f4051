/// The way to PostgreSQL: which server gets a password and codes, and which is refused, in words that help.
import Foundation
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(10))) struct DatabaseTLSTests {
    /// What stands in every connection string of these tests, and in no message.
    private static let password = "canary-password-7e11"
    private static let name = "db.example"

    /// A database user with a certificate, and one whose password is asked for. All others are let in.
    private static let access = """
        hostssl all certified 127.0.0.1/32 cert
        host all asked 127.0.0.1/32 scram-sha-256
        host all all 127.0.0.1/32 trust
        local all all trust
        """

    /// A server that speaks TLS once it has a certificate.
    private struct Server {
        let url: String
        let port: Int

        /// A connection string for a host of this name, which is this machine.
        func way(to name: String = DatabaseTLSTests.name, _ settings: [String: String]) -> String {
            let all = ["host": name, "hostaddr": "127.0.0.1", "port": "\(port)", "dbname": "postgres"].merging(
                ["user": "postgres", "password": password].merging(settings) { $1 }
            ) { $1 }
            return all.map { "\($0)='\($1)'" }.joined(separator: " ")
        }

        /// Shows this certificate from now on. Only the server's own user may read its key.
        func show(_ issued: TestAuthority.Issued, clientsOf authority: TestAuthority) async throws {
            try await write(String(contentsOfFile: issued.certificate, encoding: .utf8), to: "server.crt")
            try await write(String(contentsOfFile: issued.key, encoding: .utf8), to: "server.key")
            try await write(String(contentsOfFile: authority.certificate, encoding: .utf8), to: "clients.crt")
            try await withConnection(to: url) { connection in
                for setting in ["ssl = on", "ssl_ca_file = 'clients.crt'"] {
                    try await connection.script("ALTER SYSTEM SET \(setting)")
                }
            }
            try await reload()
        }

        func write(_ text: String, to file: String) async throws {
            try await withConnection(to: url) { connection in
                // Line by line: COPY's text format would turn backslashes and line ends into something else.
                let lines = text.split(separator: "\n").map { "('\($0)')" }.joined(separator: ", ")
                try await connection.script(
                    "COPY (VALUES \(lines)) TO PROGRAM 'umask 077; cat >\(file).new; mv \(file).new \(file)'"
                )
            }
        }

        /// Waits until the server has read its settings.
        func reload() async throws {
            try await withConnection(to: url) { connection in
                let loaded = "SELECT pg_conf_load_time()::text"
                let before: String = try await connection.value(loaded)
                try await connection.script("SELECT pg_reload_conf()")
                try await eventually("the settings are read") {
                    // A session keeps what it has read: a new one sees.
                    try await withConnection(to: url) { try await $0.value(loaded, as: String.self) } != before
                }
            }
        }
    }

    private func withServer(_ body: (Server) async throws -> Void) async throws {
        try await PrivateServer.with { server in
            let port = try #require(URLComponents(string: server.url)?.port)
            try await body(Server(url: server.url, port: port))
        }
    }

    /// How `embark signup list` and `embark doctor` end: the same words on both.
    private func expect(
        _ words: [String],
        of way: String,
        _ what: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for command in [["signup", "list"], ["doctor"]] {
            let result = try await Command.run(command, database: way)
            #expect(result.code == 69, what, sourceLocation: sourceLocation)
            for word in words {
                #expect(result.all.contains(word), "\(what.rawValue): \(result.all)", sourceLocation: sourceLocation)
            }
            #expect(!result.all.contains(Self.password), what, sourceLocation: sourceLocation)
        }
    }

    @Test func `verify-full reaches the right server and no other, and says what to do`() async throws {
        try await withServer { server in
            _ = try await withConnection(to: server.url) { try await Migrator().migrate(on: $0) }
            try await TestAuthority.withTwo { ours, other in
                let verified = ["sslmode": "verify-full", "sslrootcert": ours.certificate]
                try await expect(
                    ["server does not support SSL", "Set ssl = on in the server's postgresql.conf"],
                    of: server.way(verified),
                    "a server without TLS"
                )

                try await server.show(ours.issue(for: "DNS:\(Self.name)"), clientsOf: ours)
                #expect(try await Command.run(["signup", "list"], database: server.way(verified)).code == 0)
                let doctor = try await Command.run(["doctor", "-o", "json"], database: server.way(verified))
                #expect(doctor.out.contains(#""level":"OK","check":"connection""#), "\(doctor.all)")
                let version: String = try await withConnection(to: server.way(verified)) {
                    try await $0.value("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                }
                #expect(["TLSv1.2", "TLSv1.3"].contains(version))
                try await expect(
                    [
                        #"does not match host name "elsewhere.example""#,
                        "Connect by a name that the server's certificate has",
                    ],
                    of: server.way(to: "elsewhere.example", verified),
                    "another host"
                )
                try await expect(
                    ["certificate verify failed", "not in the file that sslrootcert names"],
                    of: server.way(verified.merging(["sslrootcert": other.certificate]) { $1 }),
                    "another authority"
                )
                try await expect(
                    ["root certificate file", "Let sslrootcert name a file with the authority's certificate"],
                    of: server.way(verified.merging(["sslrootcert": "/nonexistent/ca.pem"]) { $1 }),
                    "no authority"
                )
                try await server.show(ours.issue(for: "DNS:\(Self.name)", expired: true), clientsOf: ours)
                try await expect(
                    ["certificate verify failed", "The server's certificate has expired"],
                    of: server.way(verified),
                    "expired"
                )
                // Whoever asks for less than verification gets it: it is doctor that warns (DoctorHostTests).
                #expect(
                    try await Command.run(["signup", "list"], database: server.way(["sslmode": "require"])).code == 0
                )
            }
        }
    }

    @Test func `A client's certificate is handed on, and a password stands in no message and in no log`() async throws {
        try await withServer { server in
            try await TestAuthority.withTwo { ours, other in
                try await withConnection(to: server.url) { connection in
                    try await Migrator().migrate(on: connection)
                    try await connection.script(
                        """
                        CREATE ROLE certified LOGIN; GRANT embark_reader TO certified;
                        CREATE ROLE asked LOGIN PASSWORD 'another'; GRANT embark_reader TO asked
                        """
                    )
                }
                try await server.show(ours.issue(for: "DNS:\(Self.name)"), clientsOf: ours)
                try await server.write(Self.access, to: "pg_hba.conf")
                try await server.reload()
                let client = try await ours.issue(for: "DNS:client", commonName: "certified")
                let stranger = try await other.issue(for: "DNS:client", commonName: "certified")
                func way(_ issued: TestAuthority.Issued?) -> String {
                    var settings = ["sslmode": "verify-full", "sslrootcert": ours.certificate, "user": "certified"]
                    settings["sslcert"] = issued?.certificate
                    settings["sslkey"] = issued?.key
                    return server.way(settings)
                }
                #expect(try await Command.run(["signup", "list"], database: way(client)).code == 0)
                try await expect(["requires a valid client certificate"], of: way(nil), "no certificate")
                // TLS 1.3: the server's refusal comes after the client's last word.
                try await expect(["unknown ca"], of: way(stranger), "another authority's certificate")
                try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: client.key)
                try await expect(
                    ["has group or world access", "chmod 600 the file that sslkey names"],
                    of: way(client),
                    "a key that others may read"
                )
                try await expect(
                    ["password authentication failed"],
                    of: server.way(["user": "asked", "sslmode": "require"]),
                    "a wrong password"
                )
                let log: String = try await withConnection(to: server.url) {
                    try await $0.value("SELECT pg_read_file('server.log')")
                }
                #expect(log.contains("password authentication failed") && !log.contains(Self.password))
            }
        }
    }
}
