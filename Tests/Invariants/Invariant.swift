/// What must hold after every run, whatever befell it, and what the checker says where it does not.

public enum Invariant: Int, Sendable, CaseIterable, CustomStringConvertible {
    case noSignupIsLost = 1
    case noStepIsSettledTwice
    case effectsHappenOnce
    case stepsKeepTheirOrder
    case secretsStaySecret
    case throttlesAreHeeded
    case historyStays

    public var description: String {
        switch self {
        case .noSignupIsLost: "1, no signup is lost"
        case .noStepIsSettledTwice: "2, no step is settled twice, no late result moves anything"
        case .effectsHappenOnce: "3, effects happen once, and are not claimed where they did not"
        case .stepsKeepTheirOrder: "4, a step runs only behind those before it in the plan"
        case .secretsStaySecret: "5, no secret is in plain text outside of its table"
        case .throttlesAreHeeded: "6, what is throttled gets no call before its time"
        case .historyStays: "7, history is never overwritten"
        }
    }
}

public struct BrokenInvariant: Sendable, CustomStringConvertible {
    public let invariant: Invariant
    /// The check that saw it: the name of its file.
    public let check: String
    /// nil where it is nobody's in particular.
    public let signupID: Int64?
    /// In one line, without a secret.
    public let seen: String
    /// All that is on record about the signup, in the order of time, without a secret. Empty for what is nobody's, and behind
    /// the first `InvariantChecker.historiesMax` of an invariant.
    public internal(set) var history = ""

    public var description: String {
        let whose = signupID.map { "signup \($0): " } ?? ""
        let told = history.isEmpty ? "" : "\n" + history.split(separator: "\n").map { "    \($0)\n" }.joined()
        return "invariant \(invariant) [\(check)]: \(whose)\(seen)\(told)"
    }
}

/// A value that must be seen nowhere but in embark.secrets and by whoever needs it.
public struct Canary: Sendable {
    /// What it is, for messages: they never show the value.
    public let name: String
    let text: String
    let isNumber: Bool

    /// - Parameter text: the value, or the part that all values of its kind share. Of letters, digits, `-` and `_`.
    public init(_ name: String, text: String) {
        self.name = name
        self.text = text
        isNumber = false
    }

    /// - Parameter pin: six digits that are looked for where they stand alone. With a zero in front no id can be mistaken for it.
    public init(_ name: String, pin: String) {
        self.name = name
        text = pin
        isNumber = true
    }

    /// In the words of grep -E and of PostgreSQL alike. A fraction of a second is no PIN.
    var pattern: String {
        let escaped = text.map { $0.isLetter || $0.isNumber || "-_".contains($0) ? "\($0)" : "[\($0)]" }.joined()
        return isNumber ? "(^|[^0-9.])\(escaped)([^0-9]|$)" : escaped
    }
}

/// Why nothing could be said about the invariants.
public struct CheckerError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
