/// The folder sql/ against its index: a file that nobody listed is never run.
import Foundation
import OnboardingRuntime
import SQL
import Testing

@Suite struct SQLIndexTests {
    @Test func `Every file of sql/migrations is in the index, in the order of its number, and nothing else is`() throws
    {
        let files = try names(in: "migrations")
        #expect(SQL.migrations.map(\.name) == files.sorted())
        for (index, file) in SQL.migrations.enumerated() {
            let number = file.name.dropFirst().prefix(4)
            #expect(file.name.first == "m" && Int(number) == index + 1, "\(file.name)")
        }
    }

    @Test func `Every file of sql/queries is in the index once, and nothing else is`() throws {
        #expect(SQL.queries.map(\.name).sorted() == (try names(in: "queries")).sorted())
    }

    @Test(arguments: SQL.migrations.map { ("migrations", $0) } + SQL.queries.map { ("queries", $0) })
    func `A name in the index stands for the text of that file`(folder: String, file: SQL.File) throws {
        let onDisk = try String(
            contentsOf: Self.folder.appendingPathComponent("\(folder)/\(file.name).sql"),
            encoding: .utf8
        )
        #expect(file.text == onDisk)
        #expect(file.text.hasPrefix("--"), "the first line says what the file is for")
    }

    @Test func `Every query has a shape but the one that is a script`() {
        let shaped = Queries.shapes.map(\.name)
        #expect(Set(shaped).count == shaped.count)
        #expect(shaped.sorted() == SQL.queries.map(\.name).filter { $0 != "prepare_database" }.sorted())
    }

    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("sql")

    private func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Self.folder.appendingPathComponent(folder).path)
            .filter { $0.hasSuffix(".sql") }
            .map { String($0.dropLast(4)) }
    }
}
