/// What an error code means to an operator, and what to type next: the words of `ErrorTable` for the card, the dashboard, the
/// alerts' runbook and the documentation.
public struct Explanation: Sendable, Equatable {
    /// What happened, in a sentence or two.
    public let means: String
    /// Whose move it is, and which.
    public let move: String
    public let replay: Replay
    /// Commands that mend the cause, to be run before the replay; `{id}` stands for the signup's id.
    public let remedies: [String]

    /// What a replay needs. A closed set: the card and SQL must agree on what is refused.
    public enum Replay: String, Sendable, CaseIterable {
        /// From the step at which it failed, as it is.
        case asItIs
        /// From that step, with another PIN.
        case withPIN
        /// From that step, with the number named.
        case withPhone
        /// From that step, with the currency named.
        case withCurrency
        /// From the exchange, with a new code of the customer's.
        case withCode
        /// Not before somebody has said whether the last call had its effect.
        case afterResolving
        /// Never: upstream enqueues it again, with what was left out, and this one is given up.
        case anew
        /// As it is, or with what another signup has begun and not brought to an end.
        case takingOver
    }

    /// - Parameter errorCode: as on the signup: Graph's code, with its subcode where there is one, or a word of ours.
    public init(errorCode: String?, waitingOn: Party, step: Step?) {
        let row = ErrorTable.row(code: errorCode ?? "", waitingOn, step) ?? Self.otherwise(waitingOn)
        means = row.means
        remedies = row.remedies
        switch row.replay {
        case .withCode, .afterResolving, .anew:
            replay = row.replay
            move = row.move
        case .asItIs, .withPIN, .withPhone, .withCurrency, .takingOver:
            // A code works once: nothing goes on from the exchange without another.
            replay = step == .exchangeCode ? .withCode : row.replay
            move = step == .exchangeCode ? Self.withNewCode(row.move) : row.move
        }
    }

    /// Who mends the cause, and then the customer, who alone has a new code: it is what the replay is for.
    private static func withNewCode(_ move: String) -> String {
        let mending = [", then you (replay)", ", then replay", ", replay"].reduce(move) { $0.replacing($1, with: "") }
        return mending + ", then the customer (a new code)"
    }

    /// Whether one of the commands is to be run, the one that is true, and not all in order.
    public var isChoice: Bool {
        switch replay {
        case .asItIs, .withPIN, .withPhone, .withCurrency, .withCode, .anew: false
        case .afterResolving, .takingOver: true
        }
    }

    /// The commands to run next, ready to paste: remedies first, then the replay.
    ///
    /// - Parameter isTooEarly: a replay would be refused now, so none is among them.
    public func commands(id: Int64, isTooEarly: Bool = false) -> [String] {
        let reason = #" --reason "…""#
        let last =
            switch replay {
            case _ where isTooEarly: ["embark signup show {id}"]
            case .asItIs: ["embark replay {id}" + reason]
            case .withPIN: ["embark replay {id} --pin NNNNNN" + reason]
            case .withPhone: ["embark replay {id} --phone-number-id ID" + reason]
            case .withCurrency: ["embark replay {id} --currency CCC" + reason]
            case .withCode: ["embark replay {id} --from exchange_code --code -" + reason]
            case .anew: ["embark cancel {id}" + reason]
            // One or the other: whichever is true.
            case .afterResolving:
                ["embark resolve {id} --happened" + reason, "embark resolve {id} --did-not-happen" + reason]
            case .takingOver: ["embark replay {id}" + reason, "embark resolve {id} --did-not-happen" + reason]
            }
        return (remedies + last).map { command in
            command.split(separator: "{id}", omittingEmptySubsequences: false).joined(separator: "\(id)")
        }
    }

    private static func otherwise(_ party: Party) -> ErrorTable.Row {
        switch party {
        case .customer:
            ErrorTable.Row(
                [],
                "The step cannot go on before the customer has done something.",
                "the customer (see what Meta said), then you (replay)"
            )
        case .operator:
            ErrorTable.Row(
                [],
                "The step was refused, or its retries are used up.",
                "you (see what Meta said, mend it, replay)"
            )
        }
    }
}
