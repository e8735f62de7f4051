/// The program's entry: parses the command line, runs one command, and turns what went wrong into a message and an exit
/// code.
import ArgumentParser
import OnboardingRuntime

@main
struct Embark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embark",
        abstract: "Finishes WhatsApp Business onboardings after Embedded Signup, durably.",
        discussion: """
            Signups are rows in PostgreSQL. Set up a database once:

              embark migrate --database-url postgresql://localhost/embark
              embark configure --app-id 1234567890 --credit-line-id 1111111111

            Every command takes --database-url, or EMBARK_DATABASE_URL, or libpq's own
            PGHOST, PGDATABASE and so on; -o json or jsonl for programs; and --help with
            examples.

            Exit codes: 0 ok, 1 failed or not ready, 2 refused, 3 no such thing, 64 usage,
            69 database unreachable, 78 bad configuration.
            """,
        version: Version.current,
        subcommands: [
            MigrateCommand.self, ConfigureCommand.self, WorkerCommand.self, SignupCommand.self, WhyCommand.self,
            ErrorsCommand.self, ReplayCommand.self, SkipCommand.self, CancelCommand.self, ResolveCommand.self,
            PauseCommand.self, ResumeCommand.self, TopCommand.self, KeyCommand.self, DoctorCommand.self,
            HealthCommand.self, ManCommand.self,
            GraphSimulatorCommand.self, BenchmarkCommand.self, BenchmarkEngineCommand.self,
            BenchmarkResponderCommand.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot(GlobalOptions.movedBehindCommand(Array(CommandLine.arguments.dropFirst())))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            guard let failure = CommandFailure(error) else { exit(withError: error) }
            failure.endProcess()
        }
    }
}
