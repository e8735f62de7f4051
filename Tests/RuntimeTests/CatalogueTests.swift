/// The recorded catalogue against what the migrations make.
import Postgres
import SQL
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.migrated), .timeLimit(.minutes(10))) struct CatalogueTests {
    @Test(arguments: ["public", "embark, public"])
    func `sql/catalogue is what the migrations make of an empty database, whatever the search path is`(
        path: String
    ) async throws {
        let objects = try await withConnection { connection in
            try await connection.script("SET search_path = \(path)")
            let (_, rows) = try await connection.atomically(Queries.pinSearchPath(), Queries.inspectCatalogue())
            return rows
        }
        #expect(objects.allSatisfy { $0.problem == nil })
        let recorded = SQL.catalogue.text.split(separator: "\n").map(String.init)
        let made = objects.map { "\($0.digest) \($0.name)" }
        #expect(recorded == made, "run scripts/catalogue: \(Set(made).symmetricDifference(recorded).sorted())")
    }
}
