/// Looks for secrets where none may be: in files, and in every table but embark.secrets.
import Foundation
import Postgres
import Subprocess

struct SecretSearch: Sendable {
    /// Of one file, and of one table, so many places are told.
    private static let placesMax = 20

    let canaries: [Canary]
    let texts: [URL]

    /// A file that no longer exists says nothing, and that is an error: the run meant to have it searched.
    func inFiles() async throws -> [BrokenInvariant] {
        guard !canaries.isEmpty, !texts.isEmpty else { return [] }
        let result = try await Subprocess.run(
            .name("grep"),
            arguments: Arguments(
                ["-r", "-a", "-H", "-Z", "-E", "-m", "\(Self.placesMax)"] + canaries.flatMap { ["-e", $0.pattern] } + [
                    "--"
                ]
                    + texts.map(\.path)
            ),
            environment: .inherit.updating(["LC_ALL": "C"]),
            output: .bytes(limit: 64 << 20),
            error: .string(limit: 1 << 16)
        )
        // 1: nothing was found.
        guard result.terminationStatus == .exited(0) || result.terminationStatus == .exited(1) else {
            throw CheckerError("grep could not search the files: \(result.standardError)")
        }
        return result.standardOutput.split(separator: UInt8(ascii: "\n")).flatMap { line -> [BrokenInvariant] in
            // The file's name ends with NUL.
            let parts = line.split(separator: 0, maxSplits: 1)
            guard parts.count == 2 else { return [] }
            let text = String(decoding: parts[1], as: UTF8.self)
            let id = text.firstMatch(of: /signup[._]id["= :]+([0-9]{1,18})/).flatMap { Int64($0.1) }
            let file = String(decoding: parts[0], as: UTF8.self)
            return names(in: text).map { found($0, in: file, id) }
        }
    }

    /// What a dump would hold, a table after the other. Temporary tables are in no dump.
    func inTables(over connection: Connection) async throws -> [BrokenInvariant] {
        guard !canaries.isEmpty else { return [] }
        let pattern = canaries.map(\.pattern).joined(separator: "|")
        let tables = try await connection.run(
            Statement<Table>("list_tables", Check.text(PackageResources.list_tables_sql))()
        )
        var result: [BrokenInvariant] = []
        for table in tables {
            let search = Statement<Place, String, String, Int32>(
                "search \(table.name)",
                """
                SELECT CASE WHEN to_jsonb(t) ->> $2 ~ '^[0-9]{1,18}$' THEN (to_jsonb(t) ->> $2)::bigint END, t::text
                  FROM \(table.name) AS t WHERE t::text ~ $1 LIMIT $3::integer
                """
            )
            let places = try await connection.run(
                search(pattern, table.key, Int32(Self.placesMax)),
                deadline: .seconds(300)
            )
            result += places.flatMap { place in names(in: place.text).map { found($0, in: table.name, place.signupID) }
            }
        }
        return result
    }

    /// The text without a secret: a canary, or a code that says itself what it grants.
    func masked(_ text: String) -> String {
        var text = text.replacing(/[0-9]{5,32}\.[0-9]{5,32}\.[0-9]{5,32}\.[^\s"',;)]+/, with: "[code]")
        for canary in canaries where text.contains(canary.text) {
            text = text.replacing(canary.text, with: "[\(canary.name)]")
        }
        return text
    }

    private func names(in text: String) -> [String] {
        canaries.filter { canary in
            guard canary.isNumber else { return text.contains(canary.text) }
            return text.ranges(of: canary.text).contains { range in
                let before = text[..<range.lowerBound].last
                let after = text[range.upperBound...].first
                return before.map { !$0.isNumber && $0 != "." } ?? true && after.map { !$0.isNumber } ?? true
            }
        }.map(\.name)
    }

    private func found(_ name: String, in place: String, _ signupID: Int64?) -> BrokenInvariant {
        BrokenInvariant(
            invariant: .secretsStaySecret,
            check: "canaries",
            signupID: signupID,
            seen: "\(name) stands in \(place)"
        )
    }

    private struct Table: RowDecodable {
        let name: String
        let key: String

        static let columnTypes: [PostgresType] = [.text, .text]

        init(_ row: inout RowReader) throws(PostgresError) {
            name = try row.next()
            key = try row.next()
        }
    }

    private struct Place: RowDecodable {
        let signupID: Int64?
        let text: String

        static let columnTypes: [PostgresType] = [.int8, .text]

        init(_ row: inout RowReader) throws(PostgresError) {
            signupID = try row.next()
            text = try row.next()
        }
    }
}
