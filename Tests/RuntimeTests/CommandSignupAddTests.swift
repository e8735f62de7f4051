/// `embark signup add` with one signup: from flags, and with its secrets from standard input.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSignupAddTests {
    @Test func `Flags become the fields of one signup`() async throws {
        let result = try await Command.run(
            "signup",
            "add",
            "--code",
            "AQB-code",
            "--waba-id",
            "102290129340398",
            "--phone-number-id",
            "106540352242922",
            "--business-id",
            "2729063490586005",
            "--currency",
            "EUR",
            "--external-id",
            "acme-7731",
            "--flow",
            "cloud_api",
            "--pin",
            "012345",
            "--test-recipient",
            "+16505551234",
            "--test-message",
            "Hello\u{1F30D}",
            "--code-issued-at",
            "2026-05-01T12:00:00Z",
            "--redirect-uri",
            "https://acme.example/back",
            "--data-localization-region",
            "DE",
            "--webhook-override",
            #"{"override_callback_uri": "https://acme.example/hook", "verify_token": "token"}"#,
            "--metadata",
            #"{"tenant": 7}"#
        )
        #expect(result.out == "Signup 1 is enqueued. See where it stands: embark signup show 1\n")
        #expect(result.err == "")
        #expect(result.code == 0)
        let row = """
            SELECT concat_ws('|', s.external_id, s.flow, s.waba_id, s.phone_number_id, s.business_id, s.currency,
                             s.test_recipient, s.test_message, s.code_issued_at AT TIME ZONE 'UTC', s.redirect_uri,
                             s.data_localization_region, s.override_callback_uri, s.metadata, x.code, x.pin, x.verify_token)
              FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id
            """
        let rows = try await texts(row)
        #expect(
            rows == [
                "acme-7731|cloud_api|102290129340398|106540352242922|2729063490586005|EUR|+16505551234|Hello\u{1F30D}"
                    + "|2026-05-01 12:00:00|https://acme.example/back|DE|https://acme.example/hook|{\"tenant\": 7}"
                    + "|AQB-code|012345|token"
            ]
        )
    }

    @Test func `What is not given is absent, and a redirect of nothing is not the same as none`() async throws {
        #expect(try await Command.run("signup", "add", "--code", "a", "--currency", "USD").code == 0)
        #expect(
            try await Command.run("signup", "add", "--code", "a", "--currency", "USD", "--redirect-uri", "").code == 0
        )
        let redirects = "SELECT coalesce(redirect_uri, 'NULL') FROM embark.signups ORDER BY id"
        #expect(try await texts(redirects) == ["NULL", ""])
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON the id is a string`(format: String) async throws {
        let result = try await Command.run("signup", "add", "--code", "a", "--currency", "USD", "-o", format)
        #expect(result.out == "{\"id\":\"1\"}\n")
        #expect(try result.object()["id"] as? String == "1")
    }

    static let inputs = [
        "canary-code\n271828\n", "canary-code\n271828", "canary-code\r\n271828\r\n", "canary-code\n271828\nmore\n",
    ]

    @Test(arguments: inputs)
    func `The code and then the PIN come from standard input, a line each, whatever ends a line`(
        input: String
    ) async throws {
        let result = try await Command.run(
            "signup",
            "add",
            "--pin",
            "-",
            "--code",
            "-",
            "--currency",
            "USD",
            input: input
        )
        #expect(result.code == 0, "\(result.err)")
        let secrets = try await texts("SELECT code || ' ' || pin FROM embark.secrets")
        #expect(secrets == ["canary-code 271828"])
    }

    @Test(arguments: [
        (["--code", "-"], "", "--code"), (["--code", "-"], "\n", "--code"),
        (["--code", "-", "--pin", "-"], "code\n", "--pin"),
        (["--code", "a", "--pin", "-"], "", "--pin"),
    ])
    func `A line that is missing on standard input is a mistake in the call`(
        flags: [String],
        input: String,
        missing: String
    ) async throws {
        let result = try await Command.run(
            ["signup", "add", "--currency", "USD"] + flags,
            database: TestDatabase.current.url,
            input: Array(input.utf8)
        )
        #expect(result.code == 64)
        #expect(result.err == "embark: \(missing) - was given, but standard input has no line for it\n")
        #expect(try await signups() == 0)
    }

    static let refused: [([String], String)] = [
        (["--code", "canary code\u{7F}"], "code must be 1 to 2048 printable ASCII characters"),
        (["--code", ""], "code must be 1 to 2048 printable ASCII characters"),
        (["--pin", "canary"], "pin must be six ASCII digits"),
        (["--waba-id", "canary"], "waba_id must be 1 to 32 ASCII digits"),
        (["--flow", "canary"], "flow must be one of cloud_api, only_waba, coexistence, api_access_only"),
        (["--currency", "CHF"], "currency must be one that the installation allows: AUD EUR GBP IDR INR USD"),
        (
            ["--code-issued-at", "canary"],
            "code_issued_at must be a time in ISO 8601 form with its zone, such as 2026-11-23T12:00:00Z"
        ),
        (
            ["--code-issued-at", "2026-05-01T12:00:00"],
            "code_issued_at must be a time in ISO 8601 form with its zone, such as 2026-11-23T12:00:00Z"
        ),
        (["--code-issued-at", "2026-02-30T12:00:00Z"], "code_issued_at must be a time that exists"),
        (["--metadata", "canary"], "metadata must be a JSON object"),
        (["--metadata", "[]"], "metadata must be a JSON object"),
        (
            ["--webhook-override", "{\"canary\":1}"],
            "webhook_override must hold override_callback_uri and verify_token and nothing else"
        ),
        (["--external-id", "canary\n"], "external_id must be 1 to 255 characters without control characters"),
    ]

    @Test(arguments: refused)
    func `A refusal names the field and the rule, shows no value, and ends with 2`(
        flags: [String],
        rule: String
    ) async throws {
        let result = try await Command.run(
            ["signup", "add", "--code", "canary-code", "--currency", "USD"] + flags,
            database: TestDatabase.current.url
        )
        #expect(result.err == "embark: \(rule)\nCorrect the field and send it again.\n")
        #expect(result.out == "")
        #expect(result.code == 2)
        #expect(try await signups() == 0)
    }

    @Test func `The same external id twice is one signup, and with other content it is refused`() async throws {
        let add = ["signup", "add", "--code", "a", "--currency", "USD", "--external-id", "acme", "-o", "json"]
        let url = TestDatabase.current.url
        #expect(try await Command.run(add, database: url).out == "{\"id\":\"1\"}\n")
        #expect(try await Command.run(add, database: url).out == "{\"id\":\"1\"}\n")
        let other = try await Command.run(add + ["--pin", "123456"], database: url)
        #expect(other.code == 2)
        #expect(other.err.hasPrefix("embark: external_id is already in use by a signup with other content\n"))
        #expect(try await signups() == 1)
    }

    @Test(.database(.migrated))
    func `Before the installation is configured nothing can be enqueued, and the message says how`() async throws {
        let result = try await Command.run("signup", "add", "--code", "a", "--currency", "USD")
        #expect(result.code == 2)
        #expect(result.err.hasPrefix("embark: installation has no row yet: run \"embark configure\" once\n"))
    }

    @Test(arguments: [
        [], ["--pin", "123456"], ["--code", "a", "--json-lines", "-"], ["--json-lines", "-", "--pin", "123456"],
        ["--json-lines", "-", "--external-id", "x"],
    ])
    func `Fields without a code, or beside a file of signups, are a mistake in the call`(flags: [String]) async throws {
        let result = try await Command.run(["signup", "add"] + flags, database: TestDatabase.current.url)
        #expect(result.code == 64)
        #expect(result.out == "")
        #expect(try await signups() == 0)
    }

    private func signups() async throws -> Int64 {
        try await count("embark.signups")
    }
}
