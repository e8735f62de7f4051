/// Each type's values survive the way to the server and back, at the edges of their ranges.
import Postgres
import Support
import Testing

@Suite(.database(.empty)) struct ValueTests {
    @Test("Numbers and truth values come back as they went")
    func numbers() async throws {
        try await expectRoundTrips([true, false])
        try await expectRoundTrips([Int16.min, -1, 0, 1, .max])
        try await expectRoundTrips([Int32.min, -1, 0, 1, .max])
        try await expectRoundTrips([Int64.min, -1, 0, 1, .max])
        try await expectRoundTrips([
            -Double.greatestFiniteMagnitude, -0.1, 0, .leastNonzeroMagnitude, 0.1, .pi, .greatestFiniteMagnitude,
            .infinity,
            -.infinity,
        ])
        let nan = try await echo(Double.nan)
        #expect(nan.isNaN)
        let minusZero = try await echo(-0.0 as Double)
        #expect(minusZero.sign == .minus)
    }

    @Test("The server sees the values that were meant")
    func meaning() async throws {
        try await expectText([(true, "true"), (false, "false")])
        try await expectText([(Int64.min, "-9223372036854775808"), (.max, "9223372036854775807")])
        try await expectText([(1.5, "1.5"), (Double.nan, "NaN"), (-.infinity, "-Infinity")])
        try await expectText([(Duration.milliseconds(-90_061_001), "-25:01:01.001")])
        try await expectText([([0, 255, 10] as [UInt8], "\\x00ff0a")])
        try await expectText([([[1, 2], [3, 4]] as [[Int32]], "{{1,2},{3,4}}")])
        try await expectText([(["a", nil, "", "NULL", "ü,\"{"] as [String?], #"{a,NULL,"","NULL","ü,\"{"}"#)])
        try await expectText([(JSONText(#"{"b":1,  "a":[null]}"#), #"{"a": [null], "b": 1}"#)])
    }

    @Test("Text and bytes of any length and alphabet come back as they went")
    func text() async throws {
        try await expectRoundTrips([
            "", " ", "\u{1}\u{7F}", "Grüße", "👩‍👩‍👧‍👦 🇩🇪", "مرحبا \u{202E}", "e\u{301}", "\u{FEFF}x", "'; DROP TABLE x; --",
            "\\",
            String(repeating: "ä", count: 1 << 19),
        ])
        try await expectRoundTrips([[], [0], Array(0...255), [UInt8](repeating: 0, count: 1 << 20)])
        try await expectRoundTrips([JSONText("{}"), "null", #"{"a": "\\u0000 is escaped", "ä": [1.5, true]}"#, #""""#])
    }

    @Test("NULL and a value are told apart in every optional type")
    func optionals() async throws {
        try await expectRoundTrips([nil, 0, .max] as [Int64?])
        try await expectRoundTrips([nil, "", "NULL"] as [String?])
        try await expectRoundTrips([nil, [], [0]] as [[UInt8]?])
        try await expectRoundTrips([nil, [], ["a"]] as [[String]?])
        try await expectRoundTrips([nil, .zero] as [Duration?])
        try await expectRoundTrips([nil, .infinity] as [Timestamp?])
        try await expectRoundTrips([nil, "1"] as [JSONText?])
    }

    @Test("Arrays come back as they went, empty, nested and with NULL elements")
    func arrays() async throws {
        try await expectRoundTrips([[], [1], [.min, 0, .max]] as [[Int64]])
        try await expectRoundTrips([[], [""], ["a", "ü", "\""]] as [[String]])
        try await expectRoundTrips([[], [nil], [nil, "a", nil]] as [[String?]])
        try await expectRoundTrips([[], [[]], [[1], [], [2, 3]]] as [[[UInt8]]])
        try await expectRoundTrips([[], [[1]], [[1, 2], [3, 4], [5, 6]]] as [[[Int32]]])
        try await expectRoundTrips([[[[true], [false]], [[false], [true]]]] as [[[[Bool]]]])
        try await expectRoundTrips([[[nil, "a"], ["b", nil]]] as [[[String?]]])
        try await expectRoundTrips([[.infinity, Timestamp(microsecondsSince2000: 0)]])
        try await expectRoundTrips([[.seconds(1), .seconds(-1)]] as [[Duration]])
        try await expectRoundTrips([["1", "[]"]] as [[JSONText]])
        try await expectRoundTrips([[1.5, -.infinity]] as [[Double]])
        try await expectRoundTrips([[Int16](repeating: 7, count: 100_000)])
    }

    @Test("A column is an array, and an empty one when it holds nothing but NULLs")
    func columns() async throws {
        func texts(_ values: [String?]) -> TextColumn { values.reduce(into: TextColumn()) { $0.append($1) } }
        func integers(_ values: [Int64?]) -> Int64Column { values.reduce(into: Int64Column()) { $0.append($1) } }
        try await expectText([
            (texts([]), "{}"), (texts([nil, nil]), "{}"), (texts([""]), #"{""}"#),
            (texts([nil, nil, "a"]), "{NULL,NULL,a}"),
            (texts(["a", nil]), "{a,NULL}"),
        ])
        try await expectText([
            (integers([]), "{}"), (integers([nil]), "{}"),
            (integers([nil, .min, nil, 0]), "{NULL,\(Int64.min),NULL,0}"),
        ])
        let connection = try await TestDatabase.current.connect()
        let rows = Statement<Single<String>, Int64Column, TextColumn, TextColumn>(
            "rows",
            "SELECT concat_ws(',', a, coalesce(b, '-'), coalesce(c, '-')) FROM unnest($1, $2, $3) AS i (a, b, c)"
        )
        let given = try await connection.run(rows(integers([1, 2]), texts([nil, nil]), texts([nil, "z"])))
        #expect(given.map(\.value) == ["1,-,-", "2,-,z"])
    }

    @Test("A timestamp comes back as it went and reads as the server's")
    func timestamps() async throws {
        let connection = try await TestDatabase.current.connect()
        try await connection.script("SET TimeZone = 'UTC'")
        let table = [
            ("4714-11-24 00:00:00+00 BC", "-4713-11-24T00:00:00Z"),
            ("0001-12-31 23:59:59+00 BC", "0000-12-31T23:59:59Z"),
            ("0002-02-28 23:59:59.999999+00 BC", "-0001-02-28T23:59:59.999999Z"),
            ("0001-01-01 00:00:00+00", "0001-01-01T00:00:00Z"),
            ("1899-12-31 23:59:59.5+00", "1899-12-31T23:59:59.5Z"), ("1900-02-28 12:00:00+00", "1900-02-28T12:00:00Z"),
            ("1969-12-31 23:59:59.999999+00", "1969-12-31T23:59:59.999999Z"),
            ("1970-01-01 00:00:00+00", "1970-01-01T00:00:00Z"),
            ("2000-01-01 00:00:00+00", "2000-01-01T00:00:00Z"), ("2000-02-29 00:00:00+00", "2000-02-29T00:00:00Z"),
            ("2000-03-01 00:00:00+00", "2000-03-01T00:00:00Z"),
            ("2024-02-29 23:59:59.000001+00", "2024-02-29T23:59:59.000001Z"),
            ("9999-12-31 23:59:59+00", "9999-12-31T23:59:59Z"), ("10000-01-01 00:00:00+00", "+10000-01-01T00:00:00Z"),
            ("294276-12-31 23:59:59.999999+00", "+294276-12-31T23:59:59.999999Z"), ("infinity", "infinity"),
            ("-infinity", "-infinity"),
        ]
        let parse = Statement<Single<Timestamp>, String>("parse", "SELECT $1::timestamptz")
        let print = Statement<Single<String>, Timestamp>("print", "SELECT $1::text")
        for (servers, ours) in table {
            let timestamp = try #require(try await connection.run(parse(servers)).first).value
            #expect(timestamp.description == ours)
            let back = try await connection.run(print(timestamp))
            #expect(back.first?.value == servers)
        }
        #expect(Timestamp.negativeInfinity < Timestamp(microsecondsSince2000: 0))
        #expect(Timestamp(microsecondsSince2000: 0) < .infinity)
    }

    @Test("A duration comes back to the microsecond")
    func durations() async throws {
        try await expectRoundTrips([
            Duration.zero, .microseconds(1), .microseconds(-1), .seconds(86_400 * 400), .microseconds(Int64.max),
            .microseconds(Int64.min),
        ])
        #expect(try await echo(Duration.nanoseconds(1999)) == .microseconds(1))
        #expect(try await echo(Duration.nanoseconds(-1999)) == .microseconds(-1))
        #expect(try await decoded(Duration.self, from: "interval '2 days 1 hour'") == .seconds(2 * 86_400 + 3600))
        #expect(
            try await decoded(Duration.self, from: "interval '-2147483648 days'") == .seconds(-2_147_483_648 * 86_400)
        )
    }

    @Test("Text is read from every character type")
    func characterTypes() async throws {
        for type in ["text", "varchar", "varchar(9)", "name", "character(1)"] {
            #expect(try await decoded(String.self, from: "'x'::\(type)") == "x")
            #expect(try await decoded([String].self, from: "ARRAY['x'::\(type)]") == ["x"])
        }
    }

    @Test("An enumeration travels as its raw value, and an unknown one is refused without being shown")
    func enumerations() async throws {
        try await expectRoundTrips([Color.red, .green])
        try await expectRoundTrips([[Color.red, nil]])
        let error = try await decodingFailure(Color.self, from: "'c4nary'::text")
        #expect(error.description == "value: a value that is no case of Color, column given")
    }

    private enum Color: String, PostgresCodable { case red, green }
}
