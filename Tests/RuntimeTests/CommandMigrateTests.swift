/// `embark migrate` from outside: what it prints, its exit codes, and the plan that psql can run instead.
import Foundation
import Postgres
import SQL
import Support
import Testing

@Suite(.database(.empty), .timeLimit(.minutes(10))) struct CommandMigrateTests {
    @Test func `The first run tells what it applies, the second that nothing is left`() async throws {
        let first = try await Command.run("migrate")
        #expect(first.code == 0)
        #expect(first.err == SQL.migrations.map { "applied \($0.name)\n" }.joined())
        let second = try await Command.run("migrate")
        #expect(second.code == 0)
        #expect(second.out == "The schema is up to date (version \(SQL.migrations.count)).\n")
        #expect(second.err == "")
    }

    @Test func `As JSON it is one object with the version and what was applied`() async throws {
        let first = try await Command.run("migrate", "-o", "json").object()
        #expect(first["version"] as? Int == SQL.migrations.count)
        #expect(first["applied"] as? [String] == SQL.migrations.map(\.name))
        let second = try await Command.run("migrate", "-o", "jsonl").objectLines()
        #expect(second.count == 1)
        #expect(second.first?["applied"] as? [String] == [])
    }

    @Test func `Check lists what is outstanding with exit 1, and changes nothing`() async throws {
        let fresh = try await Command.run("migrate", "--check")
        #expect(fresh.code == 1)
        #expect(fresh.out == SQL.migrations.map { "outstanding  \($0.name)\n" }.joined())
        #expect(fresh.err == "embark: run: embark migrate\n")
        let json = try await Command.run("migrate", "--check", "-o", "json")
        #expect(json.code == 1)
        #expect(try json.object()["outstanding"] as? [String] == SQL.migrations.map(\.name))
        #expect(try json.object()["version"] as? Int == 0)
        let untouched =
            try await withConnection { try await $0.value("SELECT to_regnamespace('embark') IS NULL") } as Bool
        #expect(untouched)

        #expect(try await Command.run("migrate").code == 0)
        let done = try await Command.run("migrate", "--check")
        #expect(done.code == 0)
        #expect(done.out == "The schema is up to date (version \(SQL.migrations.count)).\n")
        #expect(done.err == "")
    }

    @Test func `A program that is older than the schema says so, and that it is fine`() async throws {
        #expect(try await Command.run("migrate").code == 0)
        try await withConnection {
            try await $0.script("INSERT INTO embark.schema_migrations VALUES (4711, 'm4711_later', 'x')")
        }
        let check = try await Command.run("migrate", "--check")
        #expect(check.code == 0)
        #expect(check.out == "The schema is up to date (version 4711).\n")
        #expect(check.err == "The schema is newer than this program, which is fine.\n")
        #expect(try await Command.run("migrate").code == 0)
        #expect(try await Command.run("signup", "list").code == 0)
    }

    @Test(arguments: [[], ["--check"], ["--plan"]])
    func `A migration that was altered since is refused with exit 2 and named`(flags: [String]) async throws {
        #expect(try await Command.run("migrate").code == 0)
        try await withConnection {
            try await $0.script("UPDATE embark.schema_migrations SET sha256 = repeat('0', 64) WHERE version = 1")
        }
        let result = try await Command.run(["migrate"] + flags, database: TestDatabase.current.url)
        #expect(result.code == 2)
        #expect(result.out == "")
        #expect(
            result.err == """
                embark: migration m0001_tables is not the file that was applied to this database: it was altered afterwards.
                Nothing was changed. Restore the file as it was released and put the change into a new migration.

                """
        )
    }

    @Test func `The plan run by psql makes the same schema, and nothing is outstanding then`() async throws {
        let url = TestDatabase.current.url
        let plan = try await Command.run("migrate", "--plan")
        #expect(plan.code == 0)
        #expect(plan.err == "")
        let psql = try await Command.program("psql", ["-X", "-d", url], input: plan.out)
        #expect(psql.code == 0)
        #expect(psql.err == "")
        #expect(try await schema(of: url) == cleanSchema())
        #expect(try await Command.run("migrate", "--check").code == 0)
        #expect(try await Command.run("signup", "list", "-o", "json").out == "[]\n")

        let nothing = try await Command.run("migrate", "--plan")
        #expect(nothing.code == 0)
        #expect(nothing.out == "")
        #expect(nothing.err == "Nothing is outstanding.\n")
    }

    @Test func `The plan of a database that is half way holds only the rest`() async throws {
        let url = TestDatabase.current.url
        #expect(try await Command.run("migrate").code == 0)
        let last = try #require(SQL.migrations.last)
        // As if the last one had never run: what it makes is dropped by hand.
        try await withConnection {
            try await $0.script("DROP SCHEMA embark CASCADE")
        }
        let plan = try await Command.run("migrate", "--plan").out
        let beforeLast = try #require(
            plan.range(of: "EXECUTE record_migration (\(SQL.migrations.count), '\(last.name)'")
        )
        let start = try #require(plan[..<beforeLast.lowerBound].range(of: "\nBEGIN;\n", options: .backwards))
        let most = try await Command.program("psql", ["-Xq", "-d", url], input: String(plan[..<start.lowerBound]))
        #expect(most.code == 0 && most.err == "", "\(most.err)")

        let rest = try await Command.run("migrate", "--plan").out
        #expect(rest.contains("EXECUTE record_migration (\(SQL.migrations.count),"))
        #expect(!rest.contains("EXECUTE record_migration (1,"))
        let psql = try await Command.program("psql", ["-Xq", "-d", url], input: rest)
        #expect(psql.code == 0 && psql.err == "", "\(psql.err)")
        #expect(try await schema(of: url) == cleanSchema())
    }

    @Test func `Check and plan together are a mistake in the call`() async throws {
        let result = try await Command.run("migrate", "--check", "--plan")
        #expect(result.code == 64)
        #expect(result.out == "")
        #expect(result.err.hasPrefix("Error: Give --check or --plan, not both.\n"))
    }
}
