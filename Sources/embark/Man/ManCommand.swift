/// `embark man`: the manual page, made of the same texts as each command's help.
import ArgumentParser
import Foundation

struct ManCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man",
        abstract: "Print the manual page embark(1), to read or to install.",
        discussion: """
            EXAMPLES
              embark man | man -l -
              embark man >/usr/local/share/man/man1/embark.1
            """,
        shouldDisplay: false
    )

    /// Those that every command takes; there is nothing here for them to change.
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let help = try JSONDecoder().decode(HelpDump.self, from: Data(Embark._dumpHelp().utf8))
        StandardStreams.out(ManPage(help.command).text)
    }
}

/// What the parser knows of the commands, as it tells it to programs (`--experimental-dump-help`).
struct HelpDump: Decodable {
    let command: Command

    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let shouldDisplay: Bool?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }

    struct Argument: Decodable {
        enum Kind: String, Decodable {
            case positional, option, flag
        }

        struct Name: Decodable {
            let kind: String
            let name: String
        }

        let kind: Kind
        let shouldDisplay: Bool
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let abstract: String?
    }
}
