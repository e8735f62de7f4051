import Support
import Testing

/// Errors tell an operator what went wrong and never show a value.
@testable import Postgres

@Suite(.database(.canary)) struct ErrorTests {
    @Test(
        "The server's error is described without the value that it is about",
        arguments: [
            Provoked("SELECT $1::bigint::text", "provoked: 22P02 invalid_text_representation"),
            Provoked("SELECT $1::uuid::text", "provoked: 22P02 invalid_text_representation"),
            Provoked("SELECT $1::jsonb::text", "provoked: 22P02 invalid_text_representation"),
            Provoked("SELECT $1::timestamptz::text", "provoked: 22007 invalid_datetime_format"),
            Provoked(
                "INSERT INTO canary (word) VALUES ($1) RETURNING word",
                "provoked: 23505 unique_violation, table public.canary, constraint canary_pkey"
            ),
            Provoked(
                "INSERT INTO canary (word) VALUES ($1 || '!') RETURNING word",
                "provoked: 23514 check_violation, table public.canary, constraint canary_word_check"
            ),
            Provoked(
                "INSERT INTO canary (word, length) VALUES ($1 || 'x', NULL) RETURNING word",
                "provoked: 23502 not_null_violation, table public.canary, column length"
            ),
            Provoked(
                "INSERT INTO follower (word) VALUES ($1 || 'x') RETURNING word",
                "provoked: 23503 foreign_key_violation, table public.follower, constraint follower_word_fkey"
            ),
            Provoked("SELECT ($1 || 'x')::varchar(3)::text FROM shout($1)", "provoked: P0001 raise_exception"),
            Provoked("SELECT (length($1) * 1000000000)::text", "provoked: 22003 numeric_value_out_of_range"),
            Provoked(
                "SELECT $1 FROM c4nary_missing",
                "provoked: 42P01 undefined_table, at character 16"
            ),
            Provoked("SELECT $1 || c4nary_missing", "provoked: 42703 undefined_column, at character 14"),
            Provoked("SELECT $1 c4nary c4nary", "provoked: 42601 syntax_error, at character 18"),
            Provoked("SELECT set_config('work_mem', $1, false)", "provoked: 22023 invalid_parameter_value"),
        ]
    )
    func descriptions(provoked: Provoked) async throws {
        let connection = try await TestDatabase.current.connect()
        let statement = Statement<Single<String>, String>("provoked", provoked.sql)
        let error = try await failure { () throws(PostgresError) in try await connection.run(statement("c4nary")) }
        #expect(error.kind == .server)
        #expect(error.description == provoked.description)
        #expect(error.severity == "ERROR")
        #expect(error.statementName == "provoked")
        var dumped = ""
        dump(error, to: &dumped)
        for shown in ["\(error)", error.debugDescription, String(reflecting: error), "\(error as any Error)", dumped] {
            #expect(!shown.contains("c4nary"))
        }
        let words = [error.serverMessage, error.serverDetail].compactMap(\.self).joined()
        #expect(!words.isEmpty)
        #expect(await connection.isUsable)
    }

    struct Provoked: Sendable, CustomTestStringConvertible {
        let sql: String
        let description: String
        var testDescription: String { description }

        init(_ sql: String, _ description: String) {
            self.sql = sql
            self.description = description
        }
    }

    @Test("The server's own words are there for whoever asks for them")
    func serverWords() async throws {
        let connection = try await TestDatabase.current.connect()
        let error = try await failure { () throws(PostgresError) in
            try await connection.script(
                "DO $$ BEGIN RAISE 'it is c4nary' USING DETAIL = 'd', HINT = 'h', ERRCODE = '22023'; END $$"
            )
        }
        #expect(error.serverMessage == "it is c4nary")
        #expect(error.serverDetail == "d")
        #expect(error.serverHint == "h")
        #expect(error.sqlState == "22023")
        #expect(error.statementName == nil)
        #expect(error.description == "22023 invalid_parameter_value")
    }

    @Test("Errors are told apart by what to do about them")
    func helpers() {
        let table: [(PostgresError.Kind, String?, [Bool])] = [
            (.server, "23505", [true, false, false]), (.server, "40001", [false, true, false]),
            (.server, "40P01", [false, true, false]), (.server, "08006", [false, false, true]),
            (.server, "57P03", [false, false, true]), (.server, "57014", [false, false, false]),
            (.unreachable, nil, [false, false, true]), (.connectionLost, "57P01", [false, false, true]),
            (.connectionLost, nil, [false, false, true]), (.deadlineExceeded, "57014", [false, false, false]),
            (.decoding, nil, [false, false, false]),
        ]
        for (kind, state, expected) in table {
            var error = PostgresError(kind)
            error.sqlState = state
            #expect([error.isUniqueViolation, error.isRetryable, error.isConnectionLoss] == expected)
        }
        for kind in PostgresError.Kind.allCases { #expect(!PostgresError(kind).description.isEmpty) }
    }

    @Test("A notice is not printed and does not disturb")
    func notices() async throws {
        let connection = try await TestDatabase.current.connect()
        try await connection.script("DO $$ BEGIN RAISE WARNING 'c4nary'; END $$")
        #expect(try await connection.run(Sample.one()) == [Single(1)])
    }
}

extension Template {
    fileprivate static let canary = Template("canary") { connection in
        try await connection.script(
            """
            CREATE TABLE canary (
                word text PRIMARY KEY CHECK (word NOT LIKE '%!'),
                length integer NOT NULL DEFAULT 0
            );
            CREATE TABLE follower (word text REFERENCES canary);
            INSERT INTO canary (word) VALUES ('c4nary');
            CREATE FUNCTION shout(word text) RETURNS void LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'this is %', word USING DETAIL = word, HINT = word; END $$;
            """
        )
    }
}
