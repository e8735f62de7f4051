/// A row of the error table as people read it: the command line, the pages and the documentation show these same words.
public struct ExplainedCode: Sendable, Equatable {
    /// Graph's codes, with a subcode where one is meant, or words of ours.
    public let codes: [String]
    /// The one step at which they mean this; nil for any.
    public let step: Step?
    public let means: String
    /// What Embark does by itself.
    public let then: String
    /// Whose move it is when that did not help.
    public let move: String

    /// The whole table, in its own order: of several rows with one code the first that fits counts.
    public static let all = ErrorTable.rows.map { row in
        ExplainedCode(
            codes: row.codes,
            step: row.step,
            means: row.means,
            then: row.reaction.map { $0.text(row.limit) } ?? row.then,
            move: row.move
        )
    }

    /// Those that explain this code: `133005`, `100/36007`, `code_expired`. One that has no row of its own is explained by
    /// its code without the subcode.
    public static func all(of code: String) -> [ExplainedCode] {
        let own = all.filter { $0.codes.contains(code) }
        guard own.isEmpty, let plain = code.split(separator: "/").first else { return own }
        return all.filter { $0.codes.contains(String(plain)) }
    }
}

extension ErrorTable.Reaction {
    fileprivate func text(_ limit: Limit?) -> String {
        switch self {
        case .retry(let patience): patience.text
        case .throttle: limit.map { "pauses \($0.of.text), for \($0.text) unless Meta names a time" } ?? "waits"
        case .token: "the customer's token: ends there; our own: what needs it pauses, and nobody fails"
        case .alreadySo: "reads back whether it is so, and counts it as done"
        case .done: "counts as done"
        case .recover: "fetches the token without the code, where the customer's business is known"
        case .deregister: "deregisters the number and registers it once more, within its quota"
        case .register: "registers the number once more"
        case .fail, .failPayer:
            limit.map { "ends there; pauses \($0.of.text), for \($0.text) unless Meta names a time" } ?? "ends there"
        }
    }
}

extension Patience {
    fileprivate var text: String {
        let often = atMost.map { "at most \($0) times" } ?? "until the step's time is over"
        let first = floorSeconds.first.map { ", the first after \(Int($0)) s" } ?? ""
        return "tries again \(often)\(first)"
    }
}

extension Limit {
    fileprivate var text: String {
        switch seconds {
        case 7200...: "\(Int(seconds / 3600)) h"
        case 120...: "\(Int(seconds / 60)) min"
        default: "\(Int(seconds)) s"
        }
    }
}

extension Limit.Of {
    fileprivate var text: String {
        switch self {
        case .app: "everything"
        case .token: "what that token is for"
        case .own: "the account, or the credit line for its own calls"
        case .waba: "the account"
        case .phone: "the number"
        }
    }
}
