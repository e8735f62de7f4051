/// The scalar Swift types that travel to and from the server, each in PostgreSQL's binary format.

extension Bool: PostgresCodable {
    public static var postgresType: PostgresType { .bool }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(self ? 1 : 0) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = try UInt8(bigEndianBytes: bytes) != 0
    }
}

extension Int16: PostgresCodable {
    public static var postgresType: PostgresType { .int2 }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(bigEndian: self) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = try Self(bigEndianBytes: bytes)
    }
}

extension Int32: PostgresCodable {
    public static var postgresType: PostgresType { .int4 }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(bigEndian: self) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = try Self(bigEndianBytes: bytes)
    }
}

extension Int64: PostgresCodable {
    public static var postgresType: PostgresType { .int8 }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(bigEndian: self) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = try Self(bigEndianBytes: bytes)
    }
}

extension Double: PostgresCodable {
    public static var postgresType: PostgresType { .float8 }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(bigEndian: bitPattern) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = Double(bitPattern: try UInt64(bigEndianBytes: bytes))
    }
}

/// PostgreSQL's text cannot hold a NUL, so a string with one is refused on this side. A database that is not UTF-8 may
/// send bytes that are no text at all: that is an error too, and never repaired.
extension String: PostgresCodable {
    public static var postgresType: PostgresType { .text }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        guard !utf8.contains(0) else { throw .encoding("text with a NUL, which PostgreSQL cannot hold") }
        buffer.append(contentsOf: utf8)
    }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .decoding("text that is not valid UTF-8")
        }
        self = text
    }
}

/// JSON as text, stored as `jsonb`. The server checks that it is JSON and brings it into its own order and spacing.
public struct JSONText: PostgresCodable, Hashable, ExpressibleByStringLiteral {
    public var text: String

    public init(_ text: String) { self.text = text }
    public init(stringLiteral text: String) { self.text = text }

    public static var postgresType: PostgresType { .jsonb }

    /// The binary form of jsonb is a version, so far always 1, and the text.
    private static let version: UInt8 = 1

    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        buffer.append(Self.version)
        try text.encode(into: &buffer)
    }

    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        guard bytes.first == Self.version else { throw .decoding("a form of jsonb that is not version 1") }
        text = try String(postgresBytes: UnsafeRawBufferPointer(rebasing: bytes.dropFirst()))
    }
}

extension Array where Element == UInt8 {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}

extension FixedWidthInteger {
    /// Exactly as many bytes as the type has.
    init(bigEndianBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        guard bytes.count == MemoryLayout<Self>.size else {
            throw .decoding("\(bytes.count) bytes where \(MemoryLayout<Self>.size) were expected")
        }
        self = Self(bigEndian: bytes.loadUnaligned(as: Self.self))
    }
}
