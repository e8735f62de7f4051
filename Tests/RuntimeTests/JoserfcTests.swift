/// Another JOSE library, Python's joserfc, opens what Embark has sealed, and Embark what it seals.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct JoserfcTests {
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

    /// Makes a set of three keys; opens with it what Embark seals under each; seals a text under each for Embark.
    static let exchange = """
        import json, sys
        from joserfc import jwe
        from joserfc.jwk import KeySet, OctKey
        registry = jwe.JWERegistry(strict_check_header=False)
        lines = sys.stdin.read().split("\\n")
        if lines[0] == "":
            keys = [OctKey.generate_key(256, parameters={"kid": kid, **more}) for kid, more in [
                ("2026-11", {}), ("Key \\"7\\" /", {"use": "enc", "alg": "dir"}), ("k" * 128, {"key_ops": ["encrypt", "decrypt"]})]]
            print(json.dumps({"keys": [key.as_dict(private=True) for key in keys]}))
            sys.exit()
        keys = KeySet.import_key_set(json.loads(lines[0]))
        for line in lines[1:]:
            if not line: continue
            opened = jwe.decrypt_compact(line, keys, registry=registry)
            # Another library's order and blanks, and a member that Embark does not know.
            header = dict(sorted(opened.protected.items(), reverse=True), cty="text/plain")
            again = jwe.encrypt_compact(header, opened.plaintext, keys, registry=registry)
            print(opened.plaintext.hex() + " " + again)
        """

    @Test(.database(.empty))
    func `A ring that joserfc makes works in Embark, and each reads the other's texts under every key`()
        async throws
    {
        let set = try #require(try await python("\n", Self.exchange).outLines.first)
        let entries = try #require(try JSONSerialization.jsonObject(with: Data(set.utf8)) as? [String: [[String: Any]]])
        let keys = try #require(entries["keys"])
        let all = try KeyRing(jwkSet: set)
        #expect(all.keyIDs.count == 3)
        let texts = ["", "000123", "EAAbusiness", "geheim \u{1F511}\0\n", String(repeating: "ß", count: 5000)]
        // The first key of a ring seals: each gets its turn, as after a rotation.
        var sealed: [String] = []
        for place in keys.indices {
            let turned = Array(keys[place...] + keys[..<place])
            let data = try JSONSerialization.data(withJSONObject: ["keys": turned])
            let ring = try KeyRing(jwkSet: String(decoding: data, as: UTF8.self))
            sealed += try texts.map { try ring.seal(Secret($0), signupID: 42, purpose: .token) }
        }
        let answers = try await python(([set] + sealed).joined(separator: "\n") + "\n", Self.exchange).outLines
        try #require(answers.count == sealed.count)
        for (number, answer) in answers.enumerated() {
            let text = texts[number % texts.count]
            let parts = answer.split(separator: " ", omittingEmptySubsequences: false)
            #expect(parts[0] == text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())
            let again = String(parts[1])
            #expect(try all.open(again, signupID: 42, purpose: .token).revealed == text)
            // Another library's text is bound to its signup and purpose, too.
            #expect(throws: SealingError.otherRow) { try all.open(again, signupID: 43, purpose: .token) }
            #expect(throws: SealingError.otherRow) { try all.open(again, signupID: 42, purpose: .pin) }
        }
    }

    private func python(_ input: String, _ program: String = program) async throws -> CommandResult {
        let environment = ProcessInfo.processInfo.environment
        let result = try await Command.program(
            "env",
            [
                "PYTHONPATH=\(environment["EMBARK_TEST_PYTHON_PATH"] ?? "")",
                environment["EMBARK_TEST_PYTHON"] ?? "/usr/bin/python3", "-c", program,
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
