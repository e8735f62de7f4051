/// `embark signup token`: the sealed business token and nothing but it.
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSignupTokenTests {
    static let token = Secret("EAAcanaryBusinessToken31f0")
    static let keys = KeyRing.newKeySet(id: "2026-11").revealed

    private func store(_ sealed: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.secrets SET sealed_token = '\(sealed)' WHERE signup_id = 2")
    }

    private func run(_ id: String, keys: String? = Self.keys) async throws -> CommandResult {
        try await Command.run(
            ["signup", "token", id],
            database: TestDatabase.current.url,
            environment: keys.map { ["EMBARK_SEALING_KEYS": $0] } ?? [:]
        )
    }

    @Test func `Prints the token and a line end`() async throws {
        try await store(try KeyRing(jwkSet: Self.keys).seal(Self.token, signupID: 2, purpose: .token))
        let result = try await run("2")
        #expect(result.out == Self.token.revealed + "\n")
        #expect(result.err == "")
        #expect(result.code == 0)
    }

    @Test(arguments: ["1", "99"])
    func `A signup without a token, or none at all, is no such thing`(id: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await run(id)
        #expect(result.code == 3)
        #expect(result.out == "")
        #expect(result.err.contains("signup \(id) has no token") && result.err.contains("embark why \(id)"))
    }

    @Test func `Another key, another row and no key are told apart, and show nothing`() async throws {
        let ring = try KeyRing(jwkSet: Self.keys)
        try await store(try ring.seal(Self.token, signupID: 3, purpose: .token))
        let swapped = try await run("2")
        #expect(swapped.code == 1)
        #expect(swapped.err.contains("belongs to another signup"))

        let other = try await run("2", keys: KeyRing.newKeySet(id: "other").revealed)
        #expect(other.code == 1)
        #expect(other.err.contains("needs the key 2026-11"))

        let none = try await run("2", keys: nil)
        #expect(none.code == 78)
        #expect(none.err.contains("EMBARK_SEALING_KEYS"))
        for result in [swapped, other, none] { #expect(!result.all.contains("EAA") && !result.all.contains("eyJ")) }
    }

    @Test func `The token reader may, an operator may not`() async throws {
        try await store(try KeyRing(jwkSet: Self.keys).seal(Self.token, signupID: 2, purpose: .token))
        for (role, code) in [("embark_token_reader", Int32(0)), ("embark_operator", 1)] {
            try await script("CREATE ROLE token_test_\(role) LOGIN IN ROLE \(role)")
            let result = try await Command.run(
                ["signup", "token", "2"],
                database: try url(TestDatabase.current.url, user: "token_test_\(role)"),
                environment: ["EMBARK_SEALING_KEYS": Self.keys]
            )
            try await script("DROP ROLE token_test_\(role)")
            #expect(result.code == code, "\(role): \(result.err)")
        }
    }
}
