/// PostgreSQL's numbers for its types: how a Swift type says what it is, and how a result is checked against it.

/// A type of the server by its object identifier, which for built-in types never changes.
public struct PostgresType: Hashable, Sendable {
    public let oid: UInt32

    public init(oid: UInt32) { self.oid = oid }

    public static let bool = PostgresType(oid: 16)
    public static let bytea = PostgresType(oid: 17)
    public static let name = PostgresType(oid: 19)
    public static let int8 = PostgresType(oid: 20)
    public static let int2 = PostgresType(oid: 21)
    public static let int4 = PostgresType(oid: 23)
    public static let text = PostgresType(oid: 25)
    public static let float8 = PostgresType(oid: 701)
    public static let bpchar = PostgresType(oid: 1042)
    public static let varchar = PostgresType(oid: 1043)
    public static let timestamptz = PostgresType(oid: 1184)
    public static let interval = PostgresType(oid: 1186)
    public static let void = PostgresType(oid: 2278)
    public static let jsonb = PostgresType(oid: 3802)

    /// The array of this type. The array of an array is the same type: PostgreSQL keeps the dimensions in the value.
    /// A type that this module does not know has 0.
    public var array: PostgresType {
        if isArray { return self }
        return PostgresType(oid: Self.known[oid]?.array ?? 0)
    }

    /// Whether a value of `actual` has the form that a reader of this type expects: the same type, or for text one of
    /// the other character types, whose binary form is the same.
    public func reads(_ actual: PostgresType) -> Bool {
        if self == actual { return true }
        let characters: [PostgresType] = [.varchar, .name, .bpchar]
        if self == .text { return characters.contains(actual) }
        if self == PostgresType.text.array { return characters.contains { $0.array == actual } }
        return false
    }

    var isArray: Bool { Self.known.values.contains { $0.array == oid } }

    /// Built-in types that this module reads or is likely to meet: name in SQL, and the type of its arrays.
    private static let known: [UInt32: (name: String, array: UInt32)] = [
        16: ("boolean", 1000), 17: ("bytea", 1001), 19: ("name", 1003), 20: ("bigint", 1016), 21: ("smallint", 1005),
        23: ("integer", 1007), 25: ("text", 1009), 26: ("oid", 1028), 114: ("json", 199), 700: ("real", 1021),
        701: ("double precision", 1022), 869: ("inet", 1041), 1042: ("character", 1014),
        1043: ("character varying", 1015), 1082: ("date", 1182), 1114: ("timestamp without time zone", 1115),
        1184: ("timestamp with time zone", 1185), 1186: ("interval", 1187), 1700: ("numeric", 1231),
        2249: ("record", 2287), 2278: ("void", 0), 2950: ("uuid", 2951), 3802: ("jsonb", 3807),
    ]
}

extension PostgresType: CustomStringConvertible {
    /// The name that SQL uses, such as "bigint" or "text[]"; "type 1234" for one that this module does not know.
    public var description: String {
        if let name = Self.known[oid]?.name { return name }
        if oid != 0, let element = Self.known.values.first(where: { $0.array == oid }) { return element.name + "[]" }
        return "type \(oid)"
    }
}
