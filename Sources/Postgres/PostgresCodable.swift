/// What a Swift type needs to travel to and from the server in PostgreSQL's binary format.

/// A Swift type that stands for one of the server's types.
public protocol PostgresTyped: Sendable {
    /// The type that the server is told a parameter has, and the type that a column must have.
    static var postgresType: PostgresType { get }
}

/// A value that can be a parameter.
public protocol PostgresEncodable: PostgresTyped {
    /// Whether the parameter is NULL; then `encode` is not called. False unless the type says otherwise.
    var isPostgresNull: Bool { get }
    /// Appends the value's binary form, in network byte order. Throws `encoding` for a value that has none.
    func encode(into buffer: inout [UInt8]) throws(PostgresError)
}

/// A value that can be read from a result.
public protocol PostgresDecodable: PostgresTyped {
    /// What NULL reads as; nil, unless the type says otherwise, makes NULL an error.
    static var postgresNull: Self? { get }
    /// Reads the binary form. The bytes are valid during the call only. Throws `decoding` with a reason that holds
    /// nothing of the value.
    init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError)
}

public typealias PostgresCodable = PostgresEncodable & PostgresDecodable

extension PostgresEncodable {
    public var isPostgresNull: Bool { false }
}

extension PostgresDecodable {
    public static var postgresNull: Self? { nil }
}

extension PostgresError {
    /// For a type of your own that cannot be encoded. `reason` must not hold the value.
    public static func encoding(_ reason: String) -> PostgresError { PostgresError(.encoding, reason) }
    /// For a type of your own that cannot be decoded. `reason` must not hold the value.
    public static func decoding(_ reason: String) -> PostgresError { PostgresError(.decoding, reason) }
}

// An enumeration with raw values needs only to name the protocols to be stored as its raw value.
extension PostgresTyped where Self: RawRepresentable, RawValue: PostgresTyped {
    public static var postgresType: PostgresType { RawValue.postgresType }
}

extension PostgresEncodable where Self: RawRepresentable, RawValue: PostgresEncodable {
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { try rawValue.encode(into: &buffer) }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue: PostgresDecodable {
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        guard let value = Self(rawValue: try RawValue(postgresBytes: bytes)) else {
            throw .decoding("a value that is no case of \(Self.self)")
        }
        self = value
    }
}

extension Optional: PostgresTyped where Wrapped: PostgresTyped {
    public static var postgresType: PostgresType { Wrapped.postgresType }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        guard let self else { throw .encoding("NULL has no binary form") }
        try self.encode(into: &buffer)
    }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public static var postgresNull: Self? { .some(nil) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = .some(try Wrapped(postgresBytes: bytes))
    }
}
