/// Exit codes and the last words of a command that did not succeed.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct CommandFailure: Error {
    /// The exit codes of the public contract.
    enum Code: Int32 {
        case failed = 1
        case refused = 2
        case noSuchThing = 3
        case usage = 64
        case databaseUnreachable = 69
        case badConfiguration = 78
    }

    let code: Code
    /// What happened and what to do next; nil when the command has said it already.
    let message: String?

    init(_ code: Code, _ message: String?) {
        self.code = code
        self.message = message
    }

    /// Finds the exit code of an error of ours; nil for the parser's own.
    init?(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as SettingsError: self.init(.badConfiguration, error.description)
        case let error as SettingsErrors: self.init(.badConfiguration, error.description)
        case let error as WorkerCannotStart: self.init(.badConfiguration, error.description)
        case let error as MigrationError: self.init(migration: error)
        case let error as PostgresError: self.init(database: error)
        case let error as LineReader.Unreadable: self.init(.usage, error.description)
        default: return nil
        }
    }

    init(migration error: MigrationError) {
        switch error {
        case .altered, .mayNotPrepare: self.init(.refused, error.description)
        case .database(let cause, _) where cause.isConnectionLoss: self.init(.databaseUnreachable, error.description)
        case .database: self.init(.failed, error.description)
        }
    }

    /// A refusal of the database's that is about one signup: its words speak of an argument of SQL, a command's name the signup.
    init(refusal: Refusal, signup id: Int64) {
        let of = "signup_id is that of a signup "
        let words = refusal.message
        let said =
            if words.hasPrefix(of + "that ") {
                "signup \(id) " + words.dropFirst((of + "that ").count)
            } else if words.hasPrefix(of + "whose ") {
                "signup \(id): its " + words.dropFirst((of + "whose ").count)
            } else {
                "signup \(id): " + words
            }
        let parts = [said, refusal.hint].compactMap(\.self).filter { !$0.isEmpty }
        self.init(refusal.isNoSuchThing ? .noSuchThing : .refused, parts.joined(separator: "\n"))
    }

    init(database error: PostgresError) {
        if let refusal = error.refusal {
            let parts = [refusal.message, refusal.hint].compactMap(\.self).filter { !$0.isEmpty }
            self.init(refusal.isNoSuchThing ? .noSuchThing : .refused, parts.joined(separator: "\n"))
        } else if error.isConnectionLoss {
            self.init(.databaseUnreachable, "the database cannot be reached: \(error)")
        } else if error.isMissingTable {
            self.init(.failed, "the database has no schema of Embark, or an older one. Run: embark migrate")
        } else if error.isMissingPrivilege {
            self.init(
                .failed,
                "this database user may not do that: \(error)\nREADME, \"Roles\", says which role each command needs."
            )
        } else {
            self.init(.failed, "\(error)")
        }
    }

    /// Something was to be changed, and the database's answer was lost: it may have been or not. nil for any other error.
    ///
    /// - Parameter remedy: what is so, and how to find out or go on.
    init?(lostAnswer error: PostgresError, _ remedy: String) {
        guard error.leavesEffectUnknown else { return nil }
        self.init(
            error.isConnectionLoss ? .databaseUnreachable : .failed,
            "the database's answer was lost: \(error)\n\(remedy)"
        )
    }

    func endProcess() -> Never {
        if let message {
            StandardStreams.err("embark: \(Output.printable(message, keepingLines: true))\n")
        }
        exit(code.rawValue)
    }
}
