/// What the server makes of each file in sql/queries, against what the Swift side declares of it.
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.migrated), .timeLimit(.minutes(10))) struct QueryShapeTests {
    @Test func `The server infers the parameters and columns that Swift declares, in every query`() async throws {
        try await withConnection { connection in
            for shape in Queries.shapes {
                let described = try await connection.describe(shape.sql)
                #expect(described.parameters == shape.parameterTypes, "parameters of \(shape.name)")
                let columns = described.columns.map(\.type)
                // A function that returns void is a row without content.
                if columns == [.void], shape.columnTypes.isEmpty { continue }
                #expect(columns.count == shape.columnTypes.count, "columns of \(shape.name)")
                for (column, expected) in zip(described.columns, shape.columnTypes) {
                    #expect(
                        expected.reads(column.type),
                        "\(shape.name), column \(column.name): \(column.type) where Swift reads \(expected)"
                    )
                }
            }
        }
    }

    @Test func `The header comment of every query names each parameter, with its type, in order`() {
        for shape in Queries.shapes {
            let header = shape.sql.split(separator: "\n").prefix { $0.hasPrefix("--") }.joined(separator: "\n")
            let named = header.matches(of: /\$(\d+)/).compactMap { Int($0.output.1) }
            if let last = named.last, header.contains("$1 code … $15") {
                // One that abbreviates says where it ends.
                #expect(last == shape.parameterTypes.count, "\(shape.name)")
            } else {
                #expect(named == Array(1..<(shape.parameterTypes.count + 1)), "\(shape.name)")
            }
        }
    }

    @Test func `No query reads whatever columns there happen to be`() {
        for shape in Queries.shapes {
            #expect(shape.sql.firstMatch(of: /(?i)select\s+([a-z]\.)?\*/) == nil, "\(shape.name)")
        }
    }
}
