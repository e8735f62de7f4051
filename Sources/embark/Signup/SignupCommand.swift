/// `embark signup`: signups from the command line.
import ArgumentParser

struct SignupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signup",
        abstract: "Enqueue signups and look at them.",
        subcommands: [SignupAddCommand.self, SignupListCommand.self, SignupShowCommand.self, SignupTokenCommand.self]
    )
}
