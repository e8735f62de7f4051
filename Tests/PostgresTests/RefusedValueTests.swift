/// Values that one side has and the other has not: refused by name, never changed and never a crash.
import Postgres
import Support
import Testing

@Suite(.database(.empty)) struct RefusedValueTests {
    @Test("A parameter without a PostgreSQL form is refused by its number before anything is sent")
    func encoding() async throws {
        let connection = try await TestDatabase.current.connect()
        let words: [(Call<NoRow>, String)] = [
            (text(1, "c4na\0ry"), "parameter $2: text with a NUL, which PostgreSQL cannot hold"),
            (json(1, "\"c4na\0ry\""), "parameter $2: text with a NUL, which PostgreSQL cannot hold"),
            (texts(1, ["a", "\0"]), "parameter $2: text with a NUL, which PostgreSQL cannot hold"),
            (nested(1, [[1], [2, 3]]), "parameter $2: an array that is not rectangular"),
            (nested(1, [[], [1]]), "parameter $2: an array that is not rectangular"),
            (nested(1, [[], []]), "parameter $2: an array of empty arrays, which PostgreSQL cannot hold"),
            (optionals(1, [nil]), "parameter $2: an array that can hold NULL in place of an array"),
            (duration(1, .seconds(Int64.max)), "parameter $2: a duration of more than 292,000 years"),
        ]
        for (call, expected) in words {
            let error = try await failure { () throws(PostgresError) in try await connection.run(call) }
            #expect(error.kind == .encoding)
            #expect(error.description == "refused: \(expected)")
        }
        #expect(await connection.isUsable)
    }

    private let text = Statement<NoRow, Int32, String>("refused", "SELECT")
    private let json = Statement<NoRow, Int32, JSONText>("refused", "SELECT")
    private let texts = Statement<NoRow, Int32, [String]>("refused", "SELECT")
    private let nested = Statement<NoRow, Int32, [[Int32]]>("refused", "SELECT")
    private let optionals = Statement<NoRow, Int32, [[Int32]?]>("refused", "SELECT")
    private let duration = Statement<NoRow, Int32, Duration>("refused", "SELECT")

    @Test("A result that the type cannot hold is an error that names the column")
    func decoding() async throws {
        let months = try await decodingFailure(Duration.self, from: "interval '1 month'")
        #expect(months.description == "value: an interval with months, which have no fixed length, column given")
        let null = try await decodingFailure(Int64.self, from: "NULL::bigint")
        #expect(null.description == "value: NULL where a value was expected, column given")
        let nullElement = try await decodingFailure([Int32].self, from: "ARRAY[1, NULL]")
        #expect(nullElement.description.contains("an array with NULL where each element must have a value"))
        let nested = try await decodingFailure([Int32].self, from: "ARRAY[[1, 2], [3, 4]]")
        #expect(nested.description.contains("an array of 2 dimensions where 1 was expected"))
        let flat = try await decodingFailure([[Int32]].self, from: "ARRAY[1, 2]")
        #expect(flat.description.contains("an array of 1 dimensions where 2 was expected"))
        for error in [months, null, nullElement, nested, flat] {
            #expect(error.kind == .decoding)
            #expect(error.columnName == "given")
        }
    }

    @Test("Text that is not valid UTF-8 is an error and is not repaired", .database(.sqlASCII))
    func invalidUTF8() async throws {
        let bytes = #"convert_from('\x63346e617279ff'::bytea, 'SQL_ASCII')"#
        // The server knows that its client wants UTF-8, and is the first to refuse.
        let refused = try await decodingFailure(String.self, from: bytes)
        #expect(refused.description == "value: 22021 character_not_in_repertoire")
        // A session that wants whatever there is gets it.
        let connection = try await TestDatabase.current.connect()
        try await connection.script("SET client_encoding TO 'SQL_ASCII'")
        let text = Statement<Single<String>>("text", "SELECT \(bytes) AS given")
        let texts = Statement<Single<[String]>>("texts", "SELECT ARRAY[\(bytes)] AS given")
        let error = try await failure { () throws(PostgresError) in try await connection.run(text()) }
        #expect(error.kind == .decoding)
        #expect(error.description == "text: text that is not valid UTF-8, column given")
        let array = try await failure { () throws(PostgresError) in try await connection.run(texts()) }
        #expect(array.description == "texts: text that is not valid UTF-8, column given")
        #expect(try await decoded(String.self, from: #"convert_from('\xc3a4'::bytea, 'SQL_ASCII')"#) == "ä")
    }

    @Test("Malformed bytes of every type are refused and never read beyond their end")
    func malformed() throws {
        for count in 0...40 {
            for fill: UInt8 in [0, 1, 127, 255] {
                let bytes = [UInt8](repeating: fill, count: count)
                expectNoCrash(Int16.self, bytes)
                expectNoCrash(Int64.self, bytes)
                expectNoCrash(Double.self, bytes)
                expectNoCrash(Bool.self, bytes)
                expectNoCrash(JSONText.self, bytes)
                expectNoCrash(Timestamp.self, bytes)
                expectNoCrash(Duration.self, bytes)
                expectNoCrash([Int32].self, bytes)
                expectNoCrash([[String?]].self, bytes)
            }
        }
        // A million empty arrays, of which nothing follows: a small message must not become a large value.
        let empties: [UInt8] = [
            0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23, 0, 15, 66, 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1,
        ]
        #expect(throws: PostgresError.self) { try empties.withUnsafeBytes { try [[Int32]](postgresBytes: $0) } }
        // An array of 2^31 - 1 elements of which none follows.
        let header: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 127, 255, 255, 255, 0, 0, 0, 1]
        #expect(throws: PostgresError.self) { try header.withUnsafeBytes { try [Int32](postgresBytes: $0) } }
    }

    private func expectNoCrash(_ type: (some PostgresDecodable).Type, _ bytes: [UInt8]) {
        do {
            _ = try bytes.withUnsafeBytes { try type.init(postgresBytes: $0) }
        } catch {
            #expect((error as? PostgresError)?.kind == .decoding)
        }
    }
}

extension Template {
    /// A database that takes bytes for text as they come.
    fileprivate static let sqlASCII = Template(
        "sql_ascii",
        creationOptions: "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    ) { _ in }
}
