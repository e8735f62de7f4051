/// `embark key rotate`, step by step: what each does to the ring's file, and what it refuses.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandKeyRotateTests {
    /// With members that Embark does not know.
    static let old =
        #"{"keys":[{"kty":"oct","kid":"old","x-note":"keep","k":"\#(SampleKeys.text("old"))"}],"x-more":{"a":[1]}}"#

    private func expectNoSecret(_ result: CommandResult, sourceLocation: SourceLocation = #_sourceLocation) {
        for secret in [SampleKeys.text("old"), "EAA", "eyJ"] {
            #expect(!result.all.contains(secret), sourceLocation: sourceLocation)
        }
    }

    @Test func `A whole rotation, by the commands of the help`() async throws {
        try await RingFile.with(Self.old) { file in
            let oldRing = try file.ring()
            try await SealedSignups.insert(1...20, sealedBy: oldRing)

            let added = try await file.rotate("--add", "--id", "new")
            #expect(added.code == 0 && added.err == "", "\(added.err)")
            #expect(added.out.contains("embark key rotate --promote new"))
            #expect(try file.ring().keyIDs == ["old", "new"])

            let promoted = try await file.rotate("--promote", "new")
            #expect(promoted.code == 0 && promoted.err == "", "\(promoted.err)")
            #expect(try file.ring().keyIDs == ["new", "old"])

            let early = try await file.rotate("--drop", "old")
            #expect(early.code == 2)
            #expect(early.err.contains("40 sealed values still need the key old"))
            #expect(try file.ring().keyIDs == ["new", "old"])

            let resealed = try await file.rotate()
            #expect(resealed.code == 0 && resealed.err == "", "\(resealed.err)")
            #expect(
                resealed.out == """
                    Key         new seals
                    Sealed      40 values, 40 open with it; 40 resealed now
                    Left        none
                    Workers     0 of 0 seal with it
                    Next        embark key rotate --drop old

                    """
            )
            let again = try await file.rotate("-o", "json").object()
            #expect(again["values"] as? Int == 40 && again["resealed"] as? Int == 0 && again["left"] as? Int == 0)
            #expect(again["droppable"] as? [String] == ["old"])

            let dropped = try await file.rotate("--drop", "old", "-o", "json")
            #expect(dropped.code == 0, "\(dropped.err)")
            let words = try dropped.object()
            #expect(words["action"] as? String == "drop" && words["key_ids"] as? [String] == ["new"])
            let ring = try file.ring()
            #expect(ring.keyIDs == ["new"])
            try await SealedSignups.expect(1...20, openWith: ring)
            for result in [added, promoted, early, resealed, dropped] { expectNoSecret(result) }

            let rest = try #require(JSONSerialization.jsonObject(with: Data(file.text().utf8)) as? [String: Any])
            #expect((rest["x-more"] as? [String: [Int]])?["a"] == [1])
            #expect(try file.neighbours() == ["ring.json"])
        }
    }

    @Test func `The file keeps its owner, its group's right to read and its other members, and nobody else reads it`()
        async throws
    {
        try await RingFile.with(Self.old) { file in
            for (before, after) in [(0o600, 0o600), (0o640, 0o640), (0o666, 0o640)] {
                try FileManager.default.setAttributes([.posixPermissions: before], ofItemAtPath: file.path)
                let result = try await file.rotate("--add", "--id", "k\(before)")
                #expect(result.code == 0)
                // Nobody is locked out without a word.
                let warning = "could be used by everyone on this machine (mode \(String(before, radix: 8)))"
                #expect(result.err.contains(warning) == (before & 0o007 != 0), "\(result.err)")
                let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
                #expect(mode == after, "\(String(before, radix: 8))")
            }
            #expect(try file.text().contains(#""x-note":"keep""#))
        }
    }

    @Test func `A ring from standard input goes to standard output, and the words to standard error`() async throws {
        let result = try await Command.run(
            ["key", "rotate", "--add", "--id", "new", "--keys", "-"],
            database: nil,
            input: Array((Self.old + "\n").utf8)
        )
        #expect(result.code == 0)
        #expect(try KeyRing(jwkSet: result.out).keyIDs == ["old", "new"])
        #expect(result.err.contains("new was added") && !result.err.contains(SampleKeys.text("old")))
        // The same from the environment, which nothing can be written back to.
        let fromEnvironment = try await Command.run(
            ["key", "rotate", "--add", "--id", "new"],
            database: nil,
            environment: ["EMBARK_SEALING_KEYS": Self.old]
        )
        #expect(try KeyRing(jwkSet: fromEnvironment.out).keyIDs == ["old", "new"])
        // And in the place of the file that the environment names.
        try await RingFile.with(Self.old) { file in
            let named = try await Command.run(
                ["key", "rotate", "--add", "--id", "new"],
                database: nil,
                environment: ["EMBARK_SEALING_KEYS_FILE": file.path]
            )
            #expect(named.code == 0, "\(named.err)")
            #expect(try file.ring().keyIDs == ["old", "new"])
        }
    }

    @Test func `What would not do is refused, and the file stays as it was`() async throws {
        try await RingFile.with(SampleKeys.jwkSet(["a", "b"].map { ($0, SampleKeys.bytes($0)) })) { file in
            let before = try file.text()
            let cases: [(arguments: [String], code: Int32, words: String)] = [
                (["--add", "--id", "b"], 2, "has a key b already"),
                (["--promote", "c"], 3, "its keys are: a, b"),
                (["--drop", "c"], 3, "its keys are: a, b"),
                (["--drop", "a"], 2, "is the key that seals"),
                (["--add", "--drop", "a"], 64, "steps of their own"),
                (["--id", "c"], 64, "--add"),
                (["--add", "--id", "c d"], 64, "--id"),
            ]
            for (arguments, code, words) in cases {
                let result = try await Command.run(
                    ["key", "rotate"] + arguments + ["--keys", file.path],
                    database: TestDatabase.current.url
                )
                #expect(result.code == code && result.err.contains(words), "\(arguments): \(result.all)")
            }
            #expect(try file.text() == before)
            // A rotation that was killed leaves this behind, and no second one may overtake a first.
            let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent()
            let lock = folder.appending(path: ".ring.json.new").path
            #expect(FileManager.default.createFile(atPath: lock, contents: nil))
            let result = try await file.rotate("--add", "--id", "c")
            #expect(result.code == 2 && result.err.contains(lock), "\(result.all)")
            #expect(try file.text() == before)
        }
        let missing = try await Command.run(
            ["key", "rotate", "--keys", "/nowhere/ring.json"],
            database: TestDatabase.current.url
        )
        #expect(missing.code == 78 && missing.err.contains("/nowhere/ring.json"))
        let none = try await Command.run(["key", "rotate"], database: TestDatabase.current.url)
        #expect(none.code == 78 && none.err.contains("EMBARK_SEALING_KEYS"))
    }

    // MARK: Live workers

    @Test func `A key is not promoted, nor resealed with, before every live worker has it`() async throws {
        try await RingFile.with(SampleKeys.jwkSet(["a", "b"].map { ($0, SampleKeys.bytes($0)) })) { file in
            try await SealedSignups.insert(1...2, sealedBy: SampleKeys.ring("b"))
            try await SealedSignups.listWorker("a", "b")
            try await SealedSignups.listWorker("a")
            let refused = try await file.rotate("--promote", "b")
            #expect(refused.code == 2)
            #expect(refused.err.contains("worker 2 (elsewhere, process 7) does not have the key b"), "\(refused.err)")
            #expect(try file.ring().keyIDs == ["a", "b"])
            try await script("DELETE FROM embark.workers WHERE id = 2")
            #expect(try await file.rotate("--promote", "b").code == 0)
            // One that came late, and one of a version that does not say.
            for keyIDs in ["{a}", "{}"] {
                try await script(
                    "INSERT INTO embark.workers (host, pid, version, key_ids) VALUES ('late', 8, '0.0.9', '\(keyIDs)')"
                )
                let late = try await file.rotate()
                #expect(late.code == 2 && late.err.contains("(late, process 8) does not have the key b"), "\(late.err)")
                try await script("DELETE FROM embark.workers WHERE host = 'late'")
            }
        }
    }

    @Test func `A key is not dropped while a live worker seals with it, or may`() async throws {
        try await RingFile.with(SampleKeys.jwkSet(["b", "a"].map { ($0, SampleKeys.bytes($0)) })) { file in
            for keyIDs in ["{a,b}", "{}"] {
                try await script(
                    "INSERT INTO embark.workers (host, pid, version, key_ids) VALUES ('late', 8, '0.0.9', '\(keyIDs)')"
                )
                let refused = try await file.rotate("--drop", "a")
                #expect(refused.code == 2 && refused.err.contains("(late, process 8) seals with a, or may"))
                try await script("DELETE FROM embark.workers")
            }
            // Resealing goes on beside such a worker, and says that it is not the end.
            try await SealedSignups.listWorker("a", "b")
            let report = try await file.rotate()
            #expect(report.code == 1)
            #expect(
                report.out.contains("seals with a\n") && report.out.contains("restart those workers"),
                "\(report.out)"
            )
            // Nobody has heard of it for more than a minute, and its presence is held by nobody.
            try await script("UPDATE embark.workers SET seen_at = now() - interval '61 s'")
            #expect(try await file.rotate("--drop", "a").code == 0)
            #expect(try file.ring().keyIDs == ["b"])
        }
    }

    /// A worker that seals with the old key behind the look and has ended before the second one.
    @Test(arguments: [["--drop", "a"], []])
    func `A worker that ends while values are looked at counts all the same`(step: [String]) async throws {
        try await RingFile.with(SampleKeys.jwkSet(["b", "a"].map { ($0, SampleKeys.bytes($0)) })) { file in
            try await SealedSignups.listWorker("a", "b")
            let result = try await withConnection { holder in
                try await holder.script("BEGIN; LOCK TABLE embark.secrets IN ACCESS EXCLUSIVE MODE")
                async let rotation = file.rotate(step)
                try await eventually("the values are looked at", within: .seconds(20)) {
                    // Cloned databases have the same object ids.
                    try await count(
                        """
                        pg_locks WHERE relation = 'embark.secrets'::regclass AND NOT granted
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                        """
                    ) == 1
                }
                try await holder.script("DELETE FROM embark.workers; COMMIT")
                return try await rotation
            }
            if step.isEmpty {
                #expect(result.code == 1, "\(result.all)")
                #expect(result.out.contains("has ended meanwhile and sealed with a\n"), "\(result.out)")
                #expect(result.out.contains("Next        embark key rotate, once more"), "\(result.out)")
                #expect(try await file.rotate().code == 0)
            } else {
                #expect(result.code == 2, "\(result.all)")
                #expect(result.err.contains("(elsewhere, process 7) seals with a, or may, or did until just now"))
                #expect(try file.ring().keyIDs == ["b", "a"])
                #expect(try await file.rotate("--drop", "a").code == 0)
            }
        }
    }

    @Test func `Resealing is for a member of embark_worker alone`() async throws {
        try await RingFile.with(Self.old) { file in
            for (role, code) in [("embark_worker", Int32(0)), ("embark_operator", 1)] {
                try await script("CREATE ROLE rotate_test_\(role) LOGIN IN ROLE \(role)")
                let result = try await Command.run(
                    ["key", "rotate", "--keys", file.path],
                    database: try url(TestDatabase.current.url, user: "rotate_test_\(role)")
                )
                try await script("DROP ROLE rotate_test_\(role)")
                #expect(result.code == code, "\(role): \(result.err)")
            }
        }
    }
}
