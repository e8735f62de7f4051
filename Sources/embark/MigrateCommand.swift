/// `embark migrate`: brings the database's schema up to this program.
import ArgumentParser
import OnboardingRuntime

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Make or upgrade the schema and the roles.",
        discussion: """
            Applies what is outstanding, in order, each migration in a transaction of its
            own. Safe to repeat, to run in several places at once, and to kill. An applied
            migration that has been altered since is a hard stop (exit 2).

            EXAMPLES
              embark migrate --database-url postgresql://localhost/embark
              embark migrate --check      exit 1 when something is outstanding
              embark migrate --plan       print the SQL, for review or for psql
            """
    )

    @Flag(help: "Change nothing; exit 1 when a migration is outstanding.")
    var check = false

    @Flag(help: "Change nothing; print the SQL that would run.")
    var plan = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if check && plan { throw ValidationError("Give --check or --plan, not both.") }
    }

    func run() async throws {
        let output = global.output
        try await global.withConnection { connection in
            let migrator = Migrator()
            if plan {
                let script = try await migrator.script(on: connection)
                if script.isEmpty { output.note("Nothing is outstanding.") } else { output.line(script) }
                return
            }
            if check {
                let status = try await migrator.status(on: connection)
                try report(status.outstanding, word: "outstanding", version: status.version, output)
                if status.isNewerThanProgram {
                    output.note("The schema is newer than this program, which is fine.")
                }
                if !status.outstanding.isEmpty { throw CommandFailure(.failed, "run: embark migrate") }
                return
            }
            let (applied, version) = try await migrator.migrate(on: connection) { migration in
                output.note("applied \(migration.name)")
            }
            try report(applied, word: "applied", version: version, output)
        }
    }

    private func report(_ migrations: [Migrator.Migration], word: String, version: Int32, _ output: Output) throws {
        switch output.format {
        case .table:
            if word == "outstanding" { for migration in migrations { output.line("outstanding  \(migration.name)") } }
            if migrations.isEmpty { output.line("The schema is up to date (version \(version)).") }
        case .json, .jsonl:
            let names = try migrations.map { try Output.quoted($0.name) }.joined(separator: ",")
            output.line(try Output.object(["version": "\(version)", word: "[\(names)]"]))
        }
    }
}
