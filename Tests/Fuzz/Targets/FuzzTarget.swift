/// What is fuzzed: one function from bytes to nothing for each place where bytes from elsewhere come in. It traps, loudly, where a
/// property does not hold; whoever drives it, libFuzzer or the seeded mutator, finds the input.
import Foundation

public enum FuzzTarget: String, Sendable, CaseIterable {
    /// The body of an answer: parsed, and given to every step as the answer to each of its calls.
    case answer
    /// The usage headers, a line each: X-App-Usage, X-Business-Use-Case-Usage, Retry-After.
    case usage
    /// What goes into a request: names and values, a line each.
    case message
    /// A sealed text; and, the other way round, a text to be sealed.
    case sealed
    /// A JWK Set.
    case keys
    /// JSON lines as `embark signup add` reads them, behind four characters that choose the reader's limits.
    case lines

    /// Longer inputs find nothing that shorter ones do not, and take their time.
    public var bytesMax: Int {
        switch self {
        case .answer, .keys: 4096
        case .usage, .message, .sealed, .lines: 2048
        }
    }

    public func run(_ bytes: [UInt8]) {
        switch self {
        case .answer: AnswerProperties.check(bytes)
        case .usage: UsageProperties.check(bytes)
        case .message: MessageProperties.check(bytes)
        case .sealed: SealedProperties.check(bytes)
        case .keys: KeysProperties.check(bytes)
        case .lines: LinesProperties.check(bytes)
        }
    }
}

/// A property that every input must have. Also in an optimised build, and with its words.
func require(_ condition: Bool, _ property: @autoclosure () -> String) {
    if condition { return }
    FileHandle.standardError.write(Data("BROKEN: \(property())\n".utf8))
    fatalError("a property of a fuzz target is broken")
}
