/// `embark key`: the keys that seal tokens and PINs.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "The sealing key ring.",
        subcommands: [KeyNewCommand.self, KeyListCommand.self, KeyRotateCommand.self]
    )
}

struct KeyNewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Print a new key set for EMBARK_SEALING_KEYS.",
        discussion: """
            A JWK Set with one random 256-bit key. Keep it where you keep secrets: without
            it, sealed tokens and PINs cannot be opened again.

            EXAMPLES
              embark key new > sealing-keys.json
              export EMBARK_SEALING_KEYS_FILE=$PWD/sealing-keys.json
            """
    )

    @Option(help: "The key's id, its kid (default: today's date).") var id: String?

    /// Those that every command takes; there is nothing here for them to change.
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        try KeyID.check(id)
    }

    func run() async throws {
        StandardStreams.out(KeyRing.newKeySet(id: id ?? KeyID.today).revealed + "\n")
    }
}

/// The ids that Embark gives to keys. Those of other makers may be any text.
enum KeyID {
    static var today: String { Date.now.formatted(.iso8601.year().month().day()) }

    static func check(_ id: String?) throws {
        if let id, id.wholeMatch(of: /[A-Za-z0-9._-]{1,64}/) == nil {
            throw ValidationError("--id must be 1 to 64 letters, digits, dots, hyphens or underscores.")
        }
    }
}
