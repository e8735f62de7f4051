/// Another JOSE library, Python's joserfc, opens what Embark has sealed, and Embark what it seals.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(5))) struct JoserfcTests {
    /// Reads the ring and a sealed text a line; prints the header, the plain text, and the plain text sealed anew.
    static let program = """
        import json, sys
        from joserfc import jwe
        from joserfc.jwk import KeySet
        ring, sealed = sys.stdin.read().split("\\n")[:2]
        keys = KeySet.import_key_set(json.loads(ring))
        # Embark's own two names in the protected header are private ones.
        registry = jwe.JWERegistry(strict_check_header=False)
        opened = jwe.decrypt_compact(sealed, keys, registry=registry)
        print(json.dumps(opened.protected, sort_keys=True))
        print(opened.plaintext.decode())
        print(jwe.encrypt_compact(opened.protected, opened.plaintext, keys, registry=registry))
        """

    private func python(_ input: String) async throws -> CommandResult {
        let environment = ProcessInfo.processInfo.environment
        let result = try await Command.program(
            "env",
            [
                "PYTHONPATH=\(environment["EMBARK_TEST_PYTHON_PATH"] ?? "")",
                environment["EMBARK_TEST_PYTHON"] ?? "/usr/bin/python3", "-c", Self.program,
            ],
            input: input
        )
        try #require(
            result.code == 0,
            "python3 with its package joserfc is needed, which scripts/install fetches: \(result.err)"
        )
        return result
    }

    private func token(_ id: Int) async throws -> CommandResult {
        try await Command.run(
            ["signup", "token", "\(id)"],
            database: TestDatabase.current.url,
            environment: ["EMBARK_SEALING_KEYS": WorkerProcess.keys]
        )
    }

    @Test func `It opens the token that embark.credential returns, and Embark opens what it seals in return`()
        async throws
    {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...2)
            #expect(try await WorkerProcess.run(platform).code == 0)
        }
        let sealed = try #require(try await texts("SELECT embark.credential(1)").first)
        let embark = try await token(1)
        #expect(embark.code == 0 && embark.out.hasPrefix("EAA"))

        let opened = try await python("\(WorkerProcess.keys)\n\(sealed)\n").outLines
        try #require(opened.count == 3)
        #expect(
            opened[0]
                == #"{"alg": "dir", "embark_purpose": "token", "embark_signup": "1", "enc": "A256GCM", "kid": "test"}"#
        )
        #expect(opened[1] + "\n" == embark.out)

        let again = opened[2]
        #expect(again != sealed)
        try await script("UPDATE embark.secrets SET sealed_token = '\(again)' WHERE signup_id IN (1, 2)")
        #expect(try await token(1).out == embark.out)
        let swapped = try await token(2)
        #expect(
            swapped.code == 1 && swapped.out == "" && swapped.err.contains("belongs to another signup"),
            "\(swapped.err)"
        )

        // A rotation brings it into Embark's own form, and joserfc opens that.
        try await script("UPDATE embark.secrets SET sealed_token = NULL WHERE signup_id = 2")
        try await RingFile.with(WorkerProcess.keys) { file in
            #expect(try await file.rotate("--add", "--id", "next").code == 0)
            #expect(try await file.rotate("--promote", "next").code == 0)
            let report = try await file.rotate("-o", "json")
            #expect(report.code == 0, "\(report.all)")
            let resealed = try #require(try await texts("SELECT embark.credential(1)").first)
            let ring = try file.text().trimmingCharacters(in: .newlines)
            let last = try await python("\(ring)\n\(resealed)\n").outLines
            #expect(last.first?.contains(#""kid": "next""#) == true)
            #expect(last.dropFirst().first.map { $0 + "\n" } == embark.out)
        }
    }
}
