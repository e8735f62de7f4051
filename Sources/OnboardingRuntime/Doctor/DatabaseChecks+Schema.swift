/// The schema: whether it is this program's, and whether anybody has altered it since.
import Onboarding
import Postgres
import SQL

extension DatabaseChecks {
    private static let differencesShown = 20

    func schema() async throws -> [Finding] {
        let status = try await Migrator().status(on: connection)
        if !status.outstanding.isEmpty {
            let names = status.outstanding.map(\.name).joined(separator: ", ")
            return [.fail("schema", "migrations are outstanding: \(names)", remedy: "Run: embark migrate")]
        }
        if status.isNewerThanProgram {
            return [
                .warn(
                    "schema",
                    "version \(status.version) is newer than this program",
                    remedy: "Nothing breaks. Upgrade this program when the others are."
                )
            ]
        }
        return [.ok("schema", "version \(status.version), up to date")]
    }

    /// The migrations were applied; whether what they made is still there and what it was is another question.
    func catalogue() async throws -> [Finding] {
        let (_, objects) = try await connection.atomically(
            Queries.pinSearchPath(),
            Queries.inspectCatalogue(),
            deadline: limits.deadline
        )
        let found = Catalogue.differences(of: objects)
        guard found.count > Self.differencesShown else {
            return found.isEmpty
                ? [.ok("catalogue", "all \(objects.count) objects are as the migrations made them")] : found
        }
        let more = "and \(found.count - Self.differencesShown) differences more"
        return found.prefix(Self.differencesShown) + [.fail("catalogue", more, remedy: "Mend those above first.")]
    }
}

/// The catalogue as the migrations make it, and how another differs from it.
enum Catalogue {
    /// Digests by object, such as "index jobs_claim".
    static let expected: [String: String] = Dictionary(
        uniqueKeysWithValues: SQL.catalogue.text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return parts.count == 2 ? (String(parts[1]), String(parts[0])) : nil
        }
    )

    /// One finding an object, in the order of their names.
    static func differences(of objects: [CatalogueObject]) -> [Finding] {
        let present = Dictionary(objects.map { ($0.name, $0) }) { first, _ in first }
        return Set(present.keys).union(expected.keys).sorted().compactMap { name in
            guard let object = present[name] else { return fail(name, "is missing") }
            guard let digest = expected[name] else {
                let remedy = "Drop it if nobody needs it."
                return object.problem.map { .fail("catalogue", "\(name) \($0)", remedy: remedy) }
                    ?? .warn("catalogue", "\(name) is none of Embark's", remedy: remedy)
            }
            if let problem = object.problem {
                return fail(name, problem)
            }
            return object.digest == digest ? nil : fail(name, "is not as the migrations made it")
        }
    }

    private static func fail(_ name: String, _ problem: String) -> Finding {
        .fail("catalogue", "\(name) \(problem)", remedy: remedy(for: name, problem))
    }

    private static func remedy(for name: String, _ problem: String) -> String {
        let words = name.split(separator: " ")
        let own = String(words.count > 1 ? words[1].prefix { $0 != "(" } : "")
        switch problem {
        case "is not valid": return "REINDEX INDEX embark.\(own);"
        case "is not enabled": return "ALTER TABLE embark.\(words.last ?? "") ENABLE TRIGGER \(own);"
        case "is not validated": return "ALTER TABLE embark.\(words.last ?? "") VALIDATE CONSTRAINT \(own);"
        default: break
        }
        let home = SQL.migrations.last { defines(String(words[0]), own, $0.text) }
        let place = home.map { "sql/migrations/\($0.name).sql" } ?? "sql/migrations"
        return "Compare it with \(place) and restore it."
    }

    /// Whether a migration makes it, or at least speaks of it where the making has no form of its own.
    private static func defines(_ kind: String, _ own: String, _ text: String) -> Bool {
        let made = [
            "CREATE \(kind.uppercased()) embark.\(own)", "CREATE OR REPLACE \(kind.uppercased()) embark.\(own)",
        ]
        let isMade = made.contains { contains(text, $0) }
        return ["table", "view", "function", "type"].contains(kind)
            ? isMade : own.split(separator: ".").allSatisfy { contains(text, String($0)) }
    }

    /// Whether a text has these words, and not only as the beginning of others.
    private static func contains(_ text: String, _ words: String) -> Bool {
        text.ranges(of: words).contains { range in
            range.upperBound == text.endIndex || text[range.upperBound] != "_" && !text[range.upperBound].isLetter
        }
    }
}
