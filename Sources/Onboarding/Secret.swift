/// A code, a token, a PIN or a key, in a type that nothing can print by accident.
///
/// It is not `Codable`, its mirror is empty and its description is a constant: a log line or an error text that is
/// built from a value that holds one shows nothing of it.
public struct Secret: Sendable, Equatable, CustomReflectable {
    /// The plain text. Whoever reads it answers for where it goes.
    public let revealed: String

    public init(_ text: String) {
        revealed = text
    }

    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "[secret]" }
    public var debugDescription: String { "[secret]" }
}
