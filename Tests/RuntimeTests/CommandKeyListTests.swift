/// `embark key list`: what each key has sealed and who has it, without a look at a value.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandKeyListTests {
    private func list(_ ids: String..., arguments: [String] = [], user: String? = nil) async throws -> CommandResult {
        let set = SampleKeys.jwkSet(ids.map { ($0, SampleKeys.bytes($0)) })
        return try await Command.run(
            ["key", "list"] + arguments,
            database: try url(TestDatabase.current.url, user: user),
            environment: ids.isEmpty ? [:] : ["EMBARK_SEALING_KEYS": set]
        )
    }

    private func store() async throws {
        try await SealedSignups.insert(1...12, sealedBy: SampleKeys.ring("old"))
        try await SealedSignups.insert(20...24, sealedBy: SampleKeys.ring("new"))
        try await script(
            """
            UPDATE embark.secrets SET sealed_pin = NULL WHERE signup_id <= 2;
            INSERT INTO embark.secrets (signup_id, sealed_pin, sealed_token) VALUES
                (30, '\(SealingTests.foreign)', NULL), (31, 'no header', repeat('x', 100000)), (32, 'AAAAA..', '_w..')
            """
        )
        try await SealedSignups.listWorker("new", "old")
        try await SealedSignups.listWorker("old")
    }

    @Test func `Counts by key and purpose, the ring's order first`() async throws {
        try await store()
        let result = try await list("new", "old", "spare")
        #expect(
            result.out == """
                KEY    RING     TOKENS  PINS  WORKERS SEAL  HAVE IT
                new    seals    5       5     1             1
                old    opens    12      10    1             2
                spare  opens    0       0     0             0
                other  missing  0       1     0             0

                """
        )
        #expect(result.code == 0)
        #expect(result.err.contains("4 sealed values have no readable header"))
        #expect(result.err.contains("put that key back"))

        let objects = try await list("new", "old", arguments: ["-o", "json"]).objects()
        #expect(objects.map { $0["key_id"] as? String } == ["new", "old", "other"])
        #expect(objects[1]["ring"] as? String == "opens" && objects[1]["tokens"] as? Int == 12)
        #expect(objects[1]["workers_sealing"] as? Int == 1 && objects[1]["workers_having"] as? Int == 2)
    }

    @Test func `An operator sees it without a ring, and sees no value`() async throws {
        try await store()
        try await script("CREATE ROLE list_test_operator LOGIN IN ROLE embark_operator")
        let result = try await list(user: "list_test_operator")
        try await script("DROP ROLE list_test_operator")
        #expect(result.code == 0, "\(result.err)")
        #expect(result.out.contains("old    -     12      10    1             2"), "\(result.out)")
        #expect(result.err.contains("EMBARK_SEALING_KEYS is not set"))
        #expect(!result.all.contains("eyJ"))
        #expect(
            try await Command.run(
                ["key", "list"],
                database: TestDatabase.current.url,
                environment: ["EMBARK_SEALING_KEYS": "no set"]
            ).code == 78
        )
    }

    @Test func `Counting goes on behind a full page`() async throws {
        try await script(
            """
            INSERT INTO embark.secrets (signup_id) SELECT n FROM generate_series(-5, 20002) AS n;
            UPDATE embark.secrets SET sealed_pin = '\(SealingTests.foreign)' WHERE signup_id IN (-5, 0, 42, 9995, 19999, 20002)
            """
        )
        let usage = try await withConnection { try await KeyUsage.read(on: $0) }
        #expect(usage.counts == ["other": [.pin: 6]] && usage.unreadable == 0)
    }
}
