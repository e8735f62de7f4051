/// Array parameters that are built element by element in their binary form: for statements that take a whole batch as
/// columns, thousands of elements a call. No generic code runs for an element, which across modules would be unspecialised.

/// The bytes of an array of one dimension, without its header. One of nothing but NULLs is sent as an empty one: beside a
/// longer column `unnest` fills it up with NULLs, and most columns of a batch are like that.
private struct ElementBytes: Sendable {
    var bytes: [UInt8] = []
    var count: Int32 = 0
    var hasNull = false

    mutating func reserve(_ elements: Int, bytesEach: Int) {
        bytes.reserveCapacity(elements * (bytesEach + 4))
    }

    mutating func appendNull() {
        count += 1
        hasNull = true
        if !bytes.isEmpty { bytes.append(bigEndian: -1 as Int32) }
    }

    /// The NULLs before the first value.
    private mutating func appendLeadingNulls() {
        guard bytes.isEmpty else { return }
        for _ in 0..<count { bytes.append(bigEndian: -1 as Int32) }
    }

    mutating func append<Scalar: FixedWidthInteger>(_ scalar: Scalar) {
        appendLeadingNulls()
        count += 1
        bytes.append(bigEndian: Int32(MemoryLayout<Scalar>.size))
        bytes.append(bigEndian: scalar)
    }

    mutating func append(_ text: String) throws(PostgresError) {
        appendLeadingNulls()
        count += 1
        let start = bytes.count
        bytes.append(bigEndian: 0 as Int32)
        var text = text
        let length = text.withUTF8 { utf8 in
            bytes.append(contentsOf: utf8)
            return utf8.contains(0) ? nil : Int32(exactly: utf8.count)
        }
        guard let length else {
            throw .encoding("text with a NUL, which PostgreSQL cannot hold, or of more than 2 GiB")
        }
        withUnsafeBytes(of: length.bigEndian) { length in
            for (offset, byte) in length.enumerated() { bytes[start + offset] = byte }
        }
    }

    /// The whole value: dimensions, whether there are NULLs, the element's type, length and lower bound, elements.
    func encode(_ element: PostgresType, into buffer: inout [UInt8]) {
        buffer.reserveCapacity(buffer.count + 20 + bytes.count)
        buffer.append(bigEndian: bytes.isEmpty ? 0 : 1 as Int32)
        buffer.append(bigEndian: hasNull && !bytes.isEmpty ? 1 : 0 as Int32)
        buffer.append(bigEndian: element.oid)
        guard !bytes.isEmpty else { return }
        buffer.append(bigEndian: count)
        buffer.append(bigEndian: 1 as Int32)
        buffer.append(contentsOf: bytes)
    }
}

/// A `bigint[]`.
public struct Int64Column: PostgresEncodable {
    private var elements = ElementBytes()

    public init(reserving count: Int = 0) { elements.reserve(count, bytesEach: 8) }
    public static var postgresType: PostgresType { .int8.array }
    public mutating func append(_ value: Int64) { elements.append(value) }
    public mutating func append(_ value: Int64?) {
        if let value { elements.append(value) } else { elements.appendNull() }
    }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { elements.encode(.int8, into: &buffer) }
}

/// An `integer[]`.
public struct Int32Column: PostgresEncodable {
    private var elements = ElementBytes()

    public init(reserving count: Int = 0) { elements.reserve(count, bytesEach: 4) }
    public static var postgresType: PostgresType { .int4.array }
    public mutating func append(_ value: Int32) { elements.append(value) }
    public mutating func append(_ value: Int32?) {
        if let value { elements.append(value) } else { elements.appendNull() }
    }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { elements.encode(.int4, into: &buffer) }
}

/// A `double precision[]`.
public struct DoubleColumn: PostgresEncodable {
    private var elements = ElementBytes()

    public init(reserving count: Int = 0) { elements.reserve(count, bytesEach: 8) }
    public static var postgresType: PostgresType { .float8.array }
    public mutating func append(_ value: Double) { elements.append(value.bitPattern) }
    public mutating func append(_ value: Double?) {
        if let value { elements.append(value.bitPattern) } else { elements.appendNull() }
    }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { elements.encode(.float8, into: &buffer) }
}

/// A `boolean[]`.
public struct BoolColumn: PostgresEncodable {
    private var elements = ElementBytes()

    public init(reserving count: Int = 0) { elements.reserve(count, bytesEach: 1) }
    public static var postgresType: PostgresType { .bool.array }
    public mutating func append(_ value: Bool) { elements.append(value ? 1 : 0 as UInt8) }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { elements.encode(.bool, into: &buffer) }
}

/// A `text[]`. Text with a NUL makes the call fail with `encoding`.
public struct TextColumn: PostgresEncodable {
    private var elements = ElementBytes()
    private var failure: PostgresError?

    public init(reserving count: Int = 0) { elements.reserve(count, bytesEach: 16) }
    public static var postgresType: PostgresType { .text.array }

    public mutating func append(_ value: String) {
        do throws(PostgresError) {
            try elements.append(value)
        } catch {
            failure = failure ?? error
        }
    }
    public mutating func append(_ value: String?) {
        if let value { append(value) } else { elements.appendNull() }
    }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        if let failure { throw failure }
        elements.encode(.text, into: &buffer)
    }
}
