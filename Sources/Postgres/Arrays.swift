/// Arrays in PostgreSQL's binary format: a header with the dimensions, then the elements, each with its length.

/// `[T]` is an array of one dimension and `[[T]]` of two, which must be rectangular. `[UInt8]` is a `bytea`. NULL
/// elements need `[T?]`. PostgreSQL has one array type an element type and keeps the dimensions in the value, so reading
/// a value with other dimensions than the Swift type has is an error.
extension Array: PostgresTyped where Element: PostgresTyped {
    public static var postgresType: PostgresType { isBytes ? .bytea : scalarType.array }
}

extension Array: PostgresEncodable where Element: PostgresEncodable {
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        if Self.isBytes { return withUnsafeBytes { buffer.append(contentsOf: $0) } }
        guard !Self.scalarType.isArray else { throw .encoding("an array that can hold NULL in place of an array") }
        let dimensions = try dimensions()
        guard dimensions.allSatisfy({ $0 <= Int(Int32.max) }) else { throw .encoding("an array that is too long") }
        guard dimensions.first != 0 else {
            ArrayHeader(dimensions: [], hasNull: false, element: Self.scalarType).append(to: &buffer)
            return
        }
        guard !dimensions.contains(0) else { throw .encoding("an array of empty arrays, which PostgreSQL cannot hold") }
        var elements: [UInt8] = []
        let hasNull = try encodeElements(into: &elements)
        ArrayHeader(dimensions: dimensions, hasNull: hasNull, element: Self.scalarType).append(to: &buffer)
        buffer.append(contentsOf: elements)
    }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        if Self.isBytes, let array = [UInt8](bytes) as? Self {
            self = array
            return
        }
        var cursor = ArrayCursor(rest: bytes)
        let header = try ArrayHeader(from: &cursor)
        guard Self.scalarType.reads(header.element) else {
            throw .decoding("an array of \(header.element) where one of \(Self.scalarType) was expected")
        }
        if header.dimensions.isEmpty {
            self = []
            return
        }
        guard header.dimensions.count == Self.depth else {
            throw .decoding("an array of \(header.dimensions.count) dimensions where \(Self.depth) was expected")
        }
        try self.init(dimensions: header.dimensions[...], from: &cursor)
    }
}

/// What every array has, however deep it is nested.
private protocol ArrayValue {
    /// 0 for `[UInt8]`, which is no array to the server, 1 for `[T]`, 2 for `[[T]]`.
    static var depth: Int { get }
    static var scalarType: PostgresType { get }
}

private protocol EncodableArray: ArrayValue {
    /// The count of each level, outermost first. Throws for an array that is not rectangular.
    func dimensions() throws(PostgresError) -> [Int]
    /// Appends the elements and returns whether one is NULL.
    func encodeElements(into buffer: inout [UInt8]) throws(PostgresError) -> Bool
}

private protocol DecodableArray: ArrayValue {
    init(dimensions: ArraySlice<Int>, from cursor: inout ArrayCursor) throws(PostgresError)
}

extension Array: ArrayValue where Element: PostgresTyped {
    fileprivate static var isBytes: Bool { Element.self == UInt8.self }
    private static var inner: (any ArrayValue.Type)? { Element.self as? any ArrayValue.Type }
    fileprivate static var depth: Int { isBytes ? 0 : 1 + (inner?.depth ?? 0) }
    fileprivate static var scalarType: PostgresType { isBytes ? .bytea : inner?.scalarType ?? Element.postgresType }
    fileprivate static var isNested: Bool { depth > 1 }
}

extension Array: EncodableArray where Element: PostgresEncodable {
    fileprivate func dimensions() throws(PostgresError) -> [Int] {
        guard Self.isNested else { return [count] }
        var inner: [Int]?
        for case let element as any EncodableArray in self {
            let dimensions = try element.dimensions()
            guard inner == nil || inner == dimensions else { throw .encoding("an array that is not rectangular") }
            inner = dimensions
        }
        return [count] + (inner ?? [])
    }

    fileprivate func encodeElements(into buffer: inout [UInt8]) throws(PostgresError) -> Bool {
        var hasNull = false
        for element in self {
            if Self.isNested, let array = element as? any EncodableArray {
                if try array.encodeElements(into: &buffer) { hasNull = true }
            } else if element.isPostgresNull {
                buffer.append(bigEndian: -1 as Int32)
                hasNull = true
            } else {
                let start = buffer.count
                buffer.append(bigEndian: 0 as Int32)
                try element.encode(into: &buffer)
                guard let length = Int32(exactly: buffer.count - start - 4) else { throw .encoding("more than 2 GiB") }
                Swift.withUnsafeBytes(of: length.bigEndian) { buffer.replaceSubrange(start..<start + 4, with: $0) }
            }
        }
        return hasNull
    }
}

extension Array: DecodableArray where Element: PostgresDecodable {
    fileprivate init(dimensions: ArraySlice<Int>, from cursor: inout ArrayCursor) throws(PostgresError) {
        self = []
        let nested = Self.isNested ? Element.self as? any DecodableArray.Type : nil
        for _ in 0..<(dimensions.first ?? 0) {
            if let nested {
                guard let element = try nested.init(dimensions: dimensions.dropFirst(), from: &cursor) as? Element
                else {
                    throw .decoding("a malformed array")
                }
                append(element)
            } else if let bytes = try cursor.element() {
                append(try Element(postgresBytes: bytes))
            } else if let null = Element.postgresNull {
                append(null)
            } else {
                throw .decoding("an array with NULL where each element must have a value")
            }
        }
    }
}

private struct ArrayHeader {
    var dimensions: [Int]
    var hasNull: Bool
    var element: PostgresType

    /// PostgreSQL's own limit.
    private static let dimensionsMax = 6

    init(dimensions: [Int], hasNull: Bool, element: PostgresType) {
        self.dimensions = dimensions
        self.hasNull = hasNull
        self.element = element
    }

    init(from cursor: inout ArrayCursor) throws(PostgresError) {
        let count = Int(try cursor.integer())
        guard 0...Self.dimensionsMax ~= count else { throw .decoding("a malformed array") }
        hasNull = try cursor.integer() != 0
        element = PostgresType(oid: UInt32(bitPattern: try cursor.integer()))
        dimensions = []
        for _ in 0..<count {
            let length = Int(try cursor.integer())
            // An element has at least its length in front, so that a false count cannot ask for more than was sent.
            guard length >= 0, length <= cursor.rest.count / 4 else { throw .decoding("a malformed array") }
            dimensions.append(length)
            _ = try cursor.integer()  // The lower bound: Swift's arrays begin at 0 whatever it is.
        }
    }

    func append(to buffer: inout [UInt8]) {
        buffer.append(bigEndian: Int32(dimensions.count))
        buffer.append(bigEndian: hasNull ? 1 : 0 as Int32)
        buffer.append(bigEndian: element.oid)
        for dimension in dimensions {
            buffer.append(bigEndian: Int32(dimension))
            buffer.append(bigEndian: 1 as Int32)
        }
    }
}

/// Takes an array's bytes from the front.
private struct ArrayCursor {
    var rest: UnsafeRawBufferPointer

    mutating func integer() throws(PostgresError) -> Int32 { try Int32(bigEndianBytes: take(4)) }

    /// nil for NULL.
    mutating func element() throws(PostgresError) -> UnsafeRawBufferPointer? {
        let length = Int(try integer())
        return length < 0 ? nil : try take(length)
    }

    private mutating func take(_ count: Int) throws(PostgresError) -> UnsafeRawBufferPointer {
        guard count <= rest.count else { throw .decoding("a malformed array") }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count)) }
        return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    }
}

/// By itself a `bytea` of one byte; what it is here for is `[UInt8]`.
extension UInt8: PostgresCodable {
    public static var postgresType: PostgresType { .bytea }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(self) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        self = try UInt8(bigEndianBytes: bytes)
    }
}
