import CPostgres
import Support
import Testing

/// Connection strings: what they may say, what is shown of them, and what this module adds.
@testable import Postgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct ConnectionOptionsTests {
    @Test(
        "A malformed connection string is refused without a piece of it",
        arguments: [
            "postgresql://user:c4nary@host:5432/db?c4nary=1",
            "postgresql://user:c4nary@[::1/db",
            "host=localhost password=c4nary c4nary",
            "host=localhost password='c4nary",
            "c4nary",
            "postgresql://user:c4nary%ZZ@host/db",
            "postgresql://user:p@c4nary@host/db",
            "postgresql://user:pa/c4nary@host/db",
            "postgresql://user:123/c4nary@host/db",
            "host=localhost dbname=postgresql://user:c4nary@host/db",
            "host=localhost port=c4nary",
        ]
    )
    func malformed(text: String) throws {
        let error = #expect(throws: PostgresError.self) { try ConnectionOptions(text, applicationName: "tests") }
        let thrown = try #require(error)
        #expect(thrown.kind == .invalidOptions)
        var dumped = ""
        dump(thrown, to: &dumped)
        for shown in [thrown.description, thrown.debugDescription, String(reflecting: thrown), dumped] {
            #expect(!shown.contains("c4nary"))
        }
    }

    @Test("A connection string with a NUL is refused, where C would cut it off")
    func nul() {
        let error = #expect(throws: PostgresError.self) {
            try ConnectionOptions("host=localhost\0 password=c4nary", applicationName: "tests")
        }
        #expect(error?.kind == .invalidOptions)
    }

    @Test("The description shows the way and no password")
    func description() throws {
        let table = [
            ("postgresql://worker:c4nary@db.example:6432/embark", "db.example:6432/embark as worker"),
            ("host=db.example dbname=embark user=worker password=c4nary", "db.example:5432/embark as worker"),
            (
                "postgresql://worker:c4nary@one:1,two:2/embark?target_session_attrs=read-write",
                "one:1,two:2/embark as worker"
            ),
            ("host=one,two port=7 user=worker password=c4nary", "one:7,two:7/worker as worker"),
            ("host=/run/postgresql dbname=embark user=worker", "/run/postgresql:5432/embark as worker"),
            ("hostaddr=10.0.0.1 dbname=embark user=sa@project.iam", "10.0.0.1:5432/embark as sa@project.iam"),
        ]
        for (text, expected) in table {
            let options = try ConnectionOptions(text, applicationName: "tests")
            #expect(options.description == expected)
            var dumped = ""
            dump(options, to: &dumped)
            #expect(!(dumped + String(reflecting: options) + "\(options)").contains("c4nary"))
        }
    }

    @Test("What libpq says about a failed attempt loses its credentials")
    func scrubbing() throws {
        let options = try ConnectionOptions("host=h password=c4nary", applicationName: "tests")
        let table = [
            ("no way with c4nary here", "no way with *** here"),
            ("bad string password=other sslmode=x", "bad string password=*** sslmode=x"),
            ("bad PASSWORD = 'o\\'th er' sslmode=x", "bad PASSWORD = *** sslmode=x"),
            ("bad URI postgresql://user:other@host/db", "bad URI postgresql://***@host/db"),
            ("Connection refused", "Connection refused"),
        ]
        for (words, expected) in table { #expect(options.scrub(words) == expected) }
    }

    @Test("A program with libpq gets the same by its environment, the password too")
    func environment() throws {
        var options = try ConnectionOptions(
            "postgresql://worker:c4nary@db.example:6432/embark?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20x.y%3D1",
            applicationName: "tests"
        )
        options.sessionSettings = ["jit": "off"]
        let expected = [
            "PGUSER": "worker", "PGPASSWORD": "c4nary", "PGHOST": "db.example", "PGPORT": "6432",
            "PGDATABASE": "embark",
            "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem", "PGOPTIONS": "-c x.y=1 -c jit=off",
        ]
        #expect(options.environment.merging(expected) { $1 } == options.environment)
    }

    @Test("The time to connect is 5 seconds, or what the string says")
    func connectTimeout() throws {
        let table: [(String, Duration, Duration)] = [
            ("host=h", .seconds(5), .seconds(5)),
            ("host=h connect_timeout=9", .seconds(9), .seconds(9)),
            ("host=h connect_timeout=0", .seconds(5), .seconds(5)),
            ("host=h connect_timeout=99999999", .seconds(3600), .seconds(3600)),
            ("host=one,two,three", .seconds(2), .seconds(6)),
            ("host=one,two connect_timeout=1", .seconds(1), .seconds(4)),
        ]
        for (text, timeout, limit) in table {
            let options = try ConnectionOptions(text, applicationName: "tests")
            #expect(options.connectTimeout == timeout)
            #expect(options.connectLimit == limit)
        }
    }

    @Test("The socket has keepalives and a limit on unacknowledged data")
    func socketDefaults() async throws {
        let connection = try await Connection.open(ConnectionOptions(TestServer.url, applicationName: "tests"))
        #expect(await connection.socketOption(SOL_SOCKET, SO_KEEPALIVE) == 1)
        #if canImport(Glibc)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 10)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 5)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_KEEPCNT) == 3)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 15_000)
        #endif
        await connection.close()
    }

    @Test("The connection string overrides the defaults, but never the encoding")
    func overrides() async throws {
        let text =
            try await TestServer.url
            + "?keepalives_idle=77&tcp_user_timeout=4000&client_encoding=LATIN1&application_name=own"
        let connection = try await Connection.open(ConnectionOptions(text, applicationName: "tests"))
        #if canImport(Glibc)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 77)
            #expect(await connection.socketOption(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 4000)
        #endif
        let shown = Statement<Single<[String]>>(
            "shown",
            "SELECT ARRAY[current_setting('client_encoding'), current_setting('application_name')]"
        )
        #expect(try await connection.run(shown()) == [Single(["UTF8", "own"])])
        await connection.close()
    }
}

extension Connection {
    /// What the kernel says of this connection's socket.
    fileprivate func socketOption(_ level: Int32, _ option: Int32) -> Int32? {
        guard let link else { return nil }
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(PQsocket(link.pg), level, option, &value, &length) == 0 ? value : nil
    }
}
