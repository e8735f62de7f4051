/// A JSON value as Graph answers it. Parsing text is the client's work; this module only looks.
public indirect enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number as its text: ids and amounts must not pass through floating point.
    case number(String)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// The member of an object; nil for another value and for a member that is absent.
    public subscript(_ key: String) -> JSON? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var array: [JSON]? {
        if case .array(let values) = self { values } else { nil }
    }

    /// nil for what is no whole number, or one that Int does not hold.
    public var int: Int? {
        if case .number(let text) = self { Int(text) } else { nil }
    }

    /// A number for what is about as large; also one that came as text. nil for what is none, or not finite.
    public var number: Double? {
        switch self {
        case .number(let text), .string(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        case .null, .bool, .array, .object: nil
        }
    }

    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// An id: a string of 1 to 32 ASCII digits, or a number that Graph wrote instead of one.
    public var id: String? {
        switch self {
        case .string(let text), .number(let text): Installation.isGraphID(text) ? text : nil
        case .null, .bool, .array, .object: nil
        }
    }

    /// Whether it is what a read of this id answers: Graph puts the id into every node, whatever fields were asked for.
    func isNode(_ id: String) -> Bool { self["id"]?.id == id }
}
