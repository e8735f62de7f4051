public import Postgres

/// The PostgreSQL server that tests share; each test has a database of its own on it (see `DatabaseTrait`).
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The server at EMBARK_TEST_SERVER_URL, a superuser's URL. Without that variable, the private cluster in
/// `.postgres/test` of the repository, which is created and started when it is not running.
public enum TestServer {
    /// The superuser's URL. Throws `SupportError` when the server cannot be started.
    public static var url: String {
        get async throws { try await started.value }
    }

    /// A superuser's session in the database "postgres".
    public static func connect() async throws -> Connection {
        try await connect(to: url)
    }

    static func connect(to url: String) async throws -> Connection {
        try await Connection.open(ConnectionOptions(url, applicationName: "tests"))
    }

    /// The same server, another database.
    static func url(ofDatabase name: String) async throws -> String {
        let url = try await url
        guard let slash = url.lastIndex(of: "/"), url.contains("://") else {
            throw SupportError("EMBARK_TEST_SERVER_URL must look like postgresql://user@host:port/postgres")
        }
        let query = url[slash...].firstIndex(of: "?").map { url[$0...] } ?? ""
        return url[...slash] + name + query
    }

    /// Runs administrative SQL that must not be interrupted: it is also what cleans up after a cancelled test.
    static func administer(_ sql: String) async throws {
        try await Task {
            let connection = try await connect()
            do throws(PostgresError) {
                try await connection.script(sql, deadline: .seconds(30))
            } catch {
                throw SupportError("\(sql): \(error): \(error.serverMessage ?? "")")
            }
            await connection.close()
        }.value
    }

    private static let started = Task {
        var url = environment("EMBARK_TEST_SERVER_URL")
        if url.isEmpty {
            let directory = ClusterScript.repository + "/.postgres/test"
            url = try await ClusterScript.run("start", directory, "-c", "fsync=off")
        }
        try await sweep(url)
        return url
    }

    private static func environment(_ name: String) -> String {
        getenv(name).map { String(cString: $0) } ?? ""
    }

    /// Drops the databases of test processes that did not live to do so themselves.
    private static func sweep(_ url: String) async throws {
        let connection = try await connect(to: url)
        let left = Statement<Single<String>, String>(
            "left_databases",
            "SELECT datname FROM pg_database WHERE datname LIKE $1 ORDER BY datname"
        )
        for name in try await connection.run(left(TestDatabase.prefix + "%")).map(\.value) {
            let owner = name.dropFirst(TestDatabase.prefix.count).prefix { $0.isNumber }
            guard let process = Int32(owner), kill(process, 0) != 0 else { continue }
            try await connection.script("DROP DATABASE IF EXISTS \"\(name)\" WITH (FORCE)", deadline: .seconds(30))
        }
        await connection.close()
    }
}
