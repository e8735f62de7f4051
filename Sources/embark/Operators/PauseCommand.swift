/// `embark pause` and `embark resume`: keep all workers from calling a part of Graph, and let them again.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Keep all workers from calling a part of Graph for a while.",
        discussion: """
            The same pauses as those that Meta's limits set by themselves. Jobs that
            meet one wait for its end; no attempt is charged. A scope is one of:

              app         everything: no job is claimed
              system      what our system user's token is for; exchanges go on
              credit      sharing the credit line
              waba:ID     one account
              phone:ID    one number

            EXAMPLES
              embark pause system --for 30m --reason "the token is being renewed"
              embark pause waba:102290129340398 --for 2h --reason "they asked us to wait"
            """
    )

    @Argument(help: "app, system, credit, waba:ID or phone:ID.", completion: ScopeArgument.completion) var scope: String
    @Option(name: .customLong("for"), help: ArgumentHelp("How long: 90s, 15m, 2h or 3d.", valueName: "time"))
    var length: String
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        try ScopeArgument.check(scope)
        if TimeSpan(length) == nil {
            throw ValidationError("--for must be a number with s, m, h or d: 90s, 15m, 2h, 3d.")
        }
    }

    func run() async throws {
        let output = global.output
        guard let scope = Scope(name: scope), let span = TimeSpan(length) else { return }
        let seconds = try await global.withConnection {
            try await SignupStore.pause(scope, seconds: span.seconds, reason: reason, on: $0)
        }
        switch output.format {
        case .table:
            output.line(
                "\(scope.name) rests for \(Output.length(.seconds(seconds))). To end it: embark resume \(scope.name)"
            )
        case .json, .jsonl:
            output.line(
                try Output.object(["scope": Output.quoted(scope.name), "seconds": "\(Int(seconds.rounded()))"])
            )
        }
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "End a pause: an operator's, or one that Meta's limits have set.",
        discussion: """
            What was put off because of it is due at once. To call Graph before the
            end that Meta named lengthens the block: do it when you know better, as
            after the renewal of a token.

            EXAMPLES
              embark resume system --reason "the token is renewed"
              embark resume waba:102290129340398
            """
    )

    @Argument(help: "app, system, credit, waba:ID or phone:ID.", completion: ScopeArgument.completion) var scope: String
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func validate() throws { try ScopeArgument.check(scope) }

    func run() async throws {
        let output = global.output
        guard let scope = Scope(name: scope) else { return }
        let wasPaused = try await global.withConnection {
            try await SignupStore.resume(scope, reason: reason, on: $0)
        }
        switch output.format {
        case .table:
            output.line(wasPaused ? "\(scope.name) goes on." : "\(scope.name) was not paused. See: embark doctor")
        case .json, .jsonl:
            output.line(try Output.object(["scope": Output.quoted(scope.name), "was_paused": "\(wasPaused)"]))
        }
    }
}

private enum ScopeArgument {
    static let completion = CompletionKind.list(["app", "system", "credit", "waba:", "phone:"])

    static func check(_ text: String) throws {
        if Scope(name: text) == nil {
            throw ValidationError("The scope must be app, system, credit, waba:ID or phone:ID.")
        }
    }
}

/// A length of time as people type it: `90s`, `15m`, `2h`, `3d`.
struct TimeSpan: Equatable {
    let seconds: Double

    init?(_ text: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let number = text.dropLast()
        // Six digits are years of days; more is a slip.
        guard let unit = text.last.flatMap({ units[$0] }), (1...6).contains(number.utf8.count),
            number.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let count = Double(number),
            count > 0
        else { return nil }
        seconds = count * unit
    }
}
