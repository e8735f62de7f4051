/// Key rings in files, and signups whose secrets some key has sealed: what the rotation's tests share.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

/// A key ring's file in a folder of its own, for the length of a test.
struct RingFile {
    let path: String

    static func with<Result>(_ set: String, _ body: (RingFile) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "embark-keys-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer {
            do {
                try FileManager.default.removeItem(at: folder)
            } catch {
                Issue.record("\(folder.path) stays behind: \(error)")
            }
        }
        let file = RingFile(path: folder.appending(path: "ring.json").path)
        guard
            FileManager.default.createFile(
                atPath: file.path,
                contents: Data((set + "\n").utf8),
                attributes: [.posixPermissions: 0o600]
            )
        else { throw SupportError("\(file.path) cannot be written") }
        return try await body(file)
    }

    func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    func ring() throws -> KeyRing { try KeyRing(jwkSet: text()) }

    /// The folder's files: no temporary one may stay.
    func neighbours() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    /// `embark key rotate … --keys FILE` with the running test's database.
    func rotate(_ arguments: String...) async throws -> CommandResult { try await rotate(arguments) }

    func rotate(_ arguments: [String]) async throws -> CommandResult {
        try await Command.run(
            ["key", "rotate"] + arguments + ["--keys", path],
            database: TestDatabase.current.url
        )
    }
}

/// Rows of embark.secrets, each with a token and a PIN that can be told from every other's.
enum SealedSignups {
    static func token(_ id: Int64) -> String { "EAAcanaryToken\(id)" }
    static func pin(_ id: Int64) -> String { String(format: "%06d", id % 1_000_000) }

    static func insert(_ ids: ClosedRange<Int64>, sealedBy ring: KeyRing) async throws {
        let rows = try ids.map { id in
            let token = try ring.seal(Secret(token(id)), signupID: id, purpose: .token)
            let pin = try ring.seal(Secret(pin(id)), signupID: id, purpose: .pin)
            return "(\(id), '\(token)', '\(pin)')"
        }
        try await script(
            "INSERT INTO embark.secrets (signup_id, sealed_token, sealed_pin) VALUES \(rows.joined(separator: ", "))"
        )
    }

    /// Expects that the ring opens every value, and to what was sealed.
    static func expect(_ ids: ClosedRange<Int64>, openWith ring: KeyRing) async throws {
        let rows = try await withConnection { connection in
            try await connection.run(Queries.readSealed(ids.lowerBound - 1, Int32(ids.count)))
        }
        #expect(rows.map(\.signupID) == Array(ids))
        for row in rows {
            let token = try ring.open(#require(row.token), signupID: row.signupID, purpose: .token)
            let pin = try ring.open(#require(row.pin), signupID: row.signupID, purpose: .pin)
            #expect(token.revealed == Self.token(row.signupID) && pin.revealed == Self.pin(row.signupID))
        }
    }

    /// How many tokens' headers name each key, read by SQL and not by what is tested.
    static func tokensByKey() async throws -> [String] {
        try await texts(
            """
            SELECT concat_ws(' ', k.kid, count(*))
              FROM embark.secrets AS x,
                   LATERAL (SELECT convert_from(decode(rpad(translate(split_part(x.sealed_token, '.', 1), '-_', '+/'),
                       (length(split_part(x.sealed_token, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid' AS kid) AS k
             WHERE x.sealed_token IS NOT NULL
             GROUP BY k.kid ORDER BY k.kid
            """
        )
    }

    /// A worker's row as another machine would have it.
    static func listWorker(_ keyIDs: String..., seenSecondsAgo: Int = 0) async throws {
        try await script(
            """
            INSERT INTO embark.workers (host, pid, version, key_ids, seen_at)
            VALUES ('elsewhere', 7, '0.1.0', '{\(keyIDs.joined(separator: ","))}', now() - interval '\(seenSecondsAgo) s')
            """
        )
    }
}
