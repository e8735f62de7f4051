/// Upstream's side: real PostgreSQL drivers, each in a process of its own, that run what a test tells them to.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Subprocess
import Support
import Testing

/// A driver that upstream systems use.
enum Driver: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case psycopg
    case nodePostgres

    var testDescription: String { rawValue }

    /// One thing to do in the driver's session. Every parameter is text or NULL, and is bound.
    struct Step: Encodable, Sendable {
        var sql: String
        var parameters: [String?] = []
        /// One list of parameters an execution: `executemany`, or a loop over a prepared statement.
        var many: [[String?]]?
        /// The rows of a COPY; psycopg only.
        var copy: [[String?]]?

        init(_ sql: String, _ parameters: [String?] = []) {
            self.sql = sql
            self.parameters = parameters
        }

        static func many(_ sql: String, _ rows: [[String?]]) -> Step {
            var step = Step(sql)
            step.many = rows
            return step
        }

        static func copy(_ sql: String, _ rows: [[String?]]) -> Step {
            var step = Step(sql)
            step.copy = rows
            return step
        }
    }

    /// What became of a step: its rows as text, or its error.
    struct Answer: Decodable, Sendable {
        var rows: [[String?]]?
        /// Everything that the error object shows, by the names of the protocol: "sqlstate", "column_name", "message_detail".
        var error: [String: String]?

        var value: String? { rows?.first?.first ?? nil }
        var sqlState: String? { error?["sqlstate"] }
    }

    /// Runs the steps in one session, in autocommit mode: BEGIN and COMMIT are steps. A refused step does not end the run.
    func run(_ steps: [Step], as url: String) async throws -> [Answer] {
        let input = try JSONEncoder().encode(steps)
        let result = try await runProgram(self == .psycopg ? Self.pythonShell : Self.nodeShell, database: url, input)
        guard result.code == 0 else { throw SupportError("\(rawValue) failed: \(result.err)") }
        return try JSONDecoder().decode([Answer].self, from: Data(result.out.utf8))
    }

    func run(_ sql: String, _ parameters: [String?] = [], as url: String) async throws -> Answer {
        try #require(try await run([Step(sql, parameters)], as: url).first)
    }

    /// Runs a whole program in the driver's language, with DATABASE_URL as upstream would have it.
    func runProgram(_ text: String, database url: String, _ input: Data = Data()) async throws -> CommandResult {
        let environment = ProcessInfo.processInfo.environment
        let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let modules = environment["NODE_PATH"] ?? "\(repository)/.build/nodejs:/usr/share/nodejs"
        let (program, option) =
            switch self {
            case .psycopg: (environment["EMBARK_TEST_PYTHON"] ?? "/usr/bin/python3", "-c")
            case .nodePostgres: (environment["EMBARK_TEST_NODE"] ?? "node", "-e")
            }
        let result = try await Subprocess.run(
            // Takes a name as well as a path.
            .name("env"),
            arguments: [program, option, text],
            environment: .inherit.updating(["DATABASE_URL": url, "NODE_PATH": modules]),
            input: .array(Array(input)),
            output: .string(limit: Command.bytesMax),
            error: .string(limit: Command.bytesMax)
        )
        let code: Int32? = if case .exited(let code) = result.terminationStatus { code } else { nil }
        return CommandResult(code: code, out: result.standardOutput, err: result.standardError)
    }

    private static let pythonShell = """
        import json, os, re, sys
        import psycopg

        DIAGNOSTICS = [name for name in dir(psycopg.errors.Diagnostic) if not name.startswith("_")]

        def run(cursor, step):
            sql = re.sub(r"\\$(\\d+)", r"%(p\\1)s", step["sql"])
            named = lambda values: {f"p{place}": value for place, value in enumerate(values, 1)}
            if step.get("copy") is not None:
                with cursor.copy(step["sql"]) as copy:
                    if "binary" in step["sql"]:
                        copy.set_types(["text"] * len(step["copy"][0]))
                    for row in step["copy"]:
                        # A row of one text is a line as it stands.
                        copy.write(row[0] + "\\n") if len(row) == 1 else copy.write_row(row)
            elif step.get("many") is not None:
                cursor.executemany(sql, [named(row) for row in step["many"]])
            else:
                cursor.execute(sql, named(step["parameters"]) if step["parameters"] else None)
            rows = cursor.fetchall() if cursor.description else []
            return {"rows": [[None if value is None else str(value) for value in row] for row in rows]}

        answers = []
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            for step in json.load(sys.stdin):
                try:
                    answers.append(run(connection.cursor(), step))
                except psycopg.Error as error:
                    shown = {name: getattr(error.diag, name) for name in DIAGNOSTICS}
                    shown.update(text=str(error), representation=repr(error))
                    answers.append({"error": {name: str(value) for name, value in shown.items() if value is not None}})
        json.dump(answers, sys.stdout)
        """

    private static let nodeShell = """
        const { Client } = require("pg");
        const NAMES = { code: "sqlstate", message: "message_primary", detail: "message_detail", hint: "message_hint",
          where: "context", schema: "schema_name", table: "table_name", column: "column_name" };

        async function run(client, step) {
          const query = (values) => client.query({ name: step.many ? "many" : undefined, text: step.sql, values });
          const rows = [];
          for (const values of step.many ?? [step.parameters]) {
            const result = await query(values);
            rows.push(...result.rows.map((row) => Object.values(row)));
          }
          return { rows: rows.map((row) => row.map((value) => (value === null ? null : String(value)))) };
        }

        async function main() {
          const client = new Client({ connectionString: process.env.DATABASE_URL });
          await client.connect();
          const answers = [];
          for (const step of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
            try {
              answers.push(await run(client, step));
            } catch (error) {
              const shown = { text: String(error.stack) };
              for (const name of Object.getOwnPropertyNames(error)) {
                if (error[name] !== undefined) shown[NAMES[name] ?? name] = String(error[name]);
              }
              answers.push({ error: shown });
            }
          }
          await client.end();
          process.stdout.write(JSON.stringify(answers));
        }

        main().catch((error) => { console.error(error); process.exit(1); });
        """
}

extension Driver.Step {
    /// `embark.enqueue_signup` with its arguments named, as parameters. In the order of the names.
    static func enqueue(_ fields: [String: String?]) -> Self {
        let fields = fields.sorted { $0.key < $1.key }
        let arguments = fields.enumerated().map { "\($1.key) => $\($0 + 1)" }
        return Self("SELECT embark.enqueue_signup(\(arguments.joined(separator: ", ")))", fields.map(\.value))
    }

    /// The same through the view.
    static func insert(_ fields: [String: String?]) -> Self {
        let fields = fields.sorted { $0.key < $1.key }
        let places = fields.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
        return Self(
            "INSERT INTO embark.signup_inbox (\(fields.map(\.key).joined(separator: ", "))) VALUES (\(places)) RETURNING id",
            fields.map(\.value)
        )
    }

    static func renew(_ fields: [String: String?]) -> Self {
        let fields = fields.sorted { $0.key < $1.key }
        let arguments = fields.enumerated().map { "\($1.key) => $\($0 + 1)" }
        return Self("SELECT embark.renew_signup(\(arguments.joined(separator: ", ")))", fields.map(\.value))
    }
}

/// A login role that is a member of embark_upstream and of nothing else.
enum Upstream {
    static let role = "embark_test_application"

    /// The URL for it. Makes the role where the cluster has none: tests of several processes may do so at once.
    static func url(of url: String = TestDatabase.current.url) async throws -> String {
        try await withConnection(to: url) { connection in
            try await connection.script(
                """
                DO $$
                BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '\(role)') THEN
                        CREATE ROLE \(role) LOGIN;
                        GRANT embark_upstream TO \(role);
                    END IF;
                EXCEPTION WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another has just made it
                END
                $$
                """
            )
        }
        return try RuntimeTests.url(url, user: role)
    }

    /// Makes an empty database ready for signups, as `embark migrate` and `embark configure` do.
    static func configure(_ url: String) async throws {
        try await withConnection(to: url) { connection in
            try await Migrator().migrate(on: connection)
            let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
            try await InstallationStore.write(installation, on: connection)
        }
    }
}
