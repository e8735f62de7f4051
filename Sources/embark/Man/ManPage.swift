/// The manual page as roff, in the macros of man(7).
import OnboardingRuntime

struct ManPage {
    private(set) var text = ""

    init(_ root: HelpDump.Command) {
        add(".TH EMBARK 1 \"\" \"embark \(Version.current)\" \"Embark\"")
        add(".SH NAME", Self.escaped("embark - \(root.abstract ?? "")"))
        add(".SH SYNOPSIS", ".B embark", ".I command", "[\\fIoption\\fR ...]")
        add(".SH DESCRIPTION")
        describe(root.discussion)
        add(".SH COMMANDS")
        for command in root.subcommands ?? [] where command.shouldDisplay ?? true {
            describe(command, behind: "embark")
        }
        add(".SH ENVIRONMENT", Self.escaped("Every secret can stand in a file that NAME_FILE names instead."))
        for setting in ManSetting.all {
            add(".TP", "\\fB\(Self.escaped(setting.name))\\fR", Self.escaped(setting.meaning))
        }
        add(".SH EXIT STATUS")
        for (code, meaning) in Self.exitCodes { add(".TP", "\\fB\(code)\\fR", Self.escaped(meaning)) }
    }

    private static let exitCodes: KeyValuePairs = [
        "0": "Done.", "1": "Failed, or not ready.", "2": "Refused: the message says why and what would work.",
        "3": "No such signup.", "64": "The command line is wrong.", "69": "The database cannot be reached.",
        "78": "A setting is missing or malformed.",
    ]

    private mutating func describe(_ command: HelpDump.Command, behind words: String) {
        let name = words + " " + command.commandName
        let shown = (command.subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
        guard command.commandName != "help" else { return }
        if shown.isEmpty {
            add(".SS \(Self.escaped(name))")
            if let abstract = command.abstract { add(Self.escaped(abstract)) }
            describe(command.discussion)
            for argument in command.arguments ?? [] where argument.shouldDisplay { describe(argument) }
        } else {
            for subcommand in shown { describe(subcommand, behind: name) }
        }
    }

    private mutating func describe(_ argument: HelpDump.Argument) {
        // Every command has these; the description says so.
        let names = (argument.names ?? []).map { ($0.kind == "short" ? "-" : "--") + $0.name }
        if names.contains("--help") || names.contains("--version") { return }
        let value = "\\fI\(Self.escaped(argument.valueName ?? ""))\\fR"
        let spelled = names.map { "\\fB\(Self.escaped($0))\\fR" }.joined(separator: ", ")
        let head =
            switch argument.kind {
            case .positional: value
            case .option: "\(spelled) \(value)"
            case .flag: spelled
            }
        let ending = argument.defaultValue.map { " (default: \($0))" } ?? ""
        add(".TP", head, Self.escaped((argument.abstract ?? "") + ending))
    }

    /// Prose is filled; lines that are indented or set in columns, such as examples, stay as they are.
    private mutating func describe(_ discussion: String?) {
        var isExample = false
        var begins = true
        for line in (discussion ?? "").split(separator: "\n", omittingEmptySubsequences: false) {
            let stays = line.hasPrefix("  ") || line.contains(/\S {2,}\S/)
            if stays != isExample {
                add(stays ? ".EX" : ".EE")
                isExample = stays
                begins = true
            }
            if line.isEmpty {
                begins = true
                continue
            }
            if begins, !stays { add(".PP") }
            begins = false
            add(Self.escaped(stays && line.hasPrefix("  ") ? String(line.dropFirst(2)) : String(line)))
            // A heading of its own, such as EXAMPLES.
            if line.allSatisfy({ $0.isUppercase }) { begins = true }
        }
        if isExample { add(".EE") }
    }

    private mutating func add(_ lines: String...) {
        for line in lines { text += line + "\n" }
    }

    /// Text that roff shows as it is: no line of it is a request, and everything beyond ASCII is named.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "'": escaped += "\\(aq"
            case "`": escaped += "\\(ga"
            case "^": escaped += "\\(ha"
            case "~": escaped += "\\(ti"
            case "\"": escaped += "\\(dq"
            case _ where scalar.isASCII: escaped.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                escaped += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
            }
        }
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }
}

/// A variable of the environment and what it is for. A test holds the names to those that the program reads.
struct ManSetting {
    let name: String
    let meaning: String

    static let all = [
        ManSetting(
            name: "EMBARK_DATABASE_URL",
            meaning: "The database; libpq's own PG* variables and defaults without it."
        ),
        ManSetting(
            name: "EMBARK_DIRECT_DATABASE_URL",
            meaning: "The same database for LISTEN and presence, where the first goes through a transaction pooler."
        ),
        ManSetting(name: "EMBARK_GRAPH_URL", meaning: "https://graph.facebook.com; plain http to loopback only."),
        ManSetting(name: "EMBARK_GRAPH_VERSION", meaning: "The version of the Graph API, v25.0."),
        ManSetting(name: "EMBARK_APP_SECRET", meaning: "The app's secret; required by workers."),
        ManSetting(
            name: "EMBARK_SYSTEM_TOKEN",
            meaning: "The system user's token; required by a solution partner's workers."
        ),
        ManSetting(
            name: "EMBARK_SEALING_KEYS",
            meaning: "A JWK Set; the first key seals, all open. Required by workers. embark key new prints one."
        ),
        ManSetting(name: "EMBARK_CONCURRENCY", meaning: "Calls in flight, 64."),
        ManSetting(name: "EMBARK_DRAIN_SECONDS", meaning: "How long calls in flight may go on after SIGTERM, 30."),
        ManSetting(name: "EMBARK_RETENTION_DAYS", meaning: "How long attempts are kept, 90."),
        ManSetting(
            name: "EMBARK_LISTEN",
            meaning: "Where a worker answers probes, 127.0.0.1:9464; when the default is taken, the next free port."
        ),
        ManSetting(
            name: "EMBARK_APPSECRET_PROOF",
            meaning: "Whether calls prove that they come from the app's owner, true."
        ),
        ManSetting(
            name: "EMBARK_LOG_LEVEL",
            meaning: "trace, debug, info (the default), notice, warning, error or critical."
        ),
        ManSetting(name: "EMBARK_LOG_FORMAT", meaning: "json, or text, the default on a terminal."),
    ]
}
