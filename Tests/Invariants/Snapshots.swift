/// The history as it was, in numbers: a row that is changed, deleted or slipped in between later makes another number.
import Postgres

struct Snapshots: Sendable {
    private struct Segment: Sendable {
        let table: String
        let after: Timestamp
        let until: Timestamp
        let sum: Sum
    }

    private struct Sum: RowDecodable, Equatable {
        let rows: Int64
        let digest: String

        static let columnTypes: [PostgresType] = [.int8, .text]

        init(_ row: inout RowReader) throws(PostgresError) {
            rows = try row.next()
            digest = try row.next()
        }
    }

    private static let tables = ["attempts", "outcomes", "audit"]
    private static let sum = Statement<Sum, String, Timestamp, Timestamp>(
        "segment",
        Check.text(PackageResources.segment_sql)
    )

    private var segments: [Segment] = []
    private var until = Timestamp.negativeInfinity

    mutating func grow(over connection: Connection, behind: Duration) async throws {
        let now = Statement<Single<Timestamp>, Double>(
            "moment",
            "SELECT clock_timestamp() - $1::double precision * interval '1 second'"
        )
        guard let moment = try await connection.run(now(behind / .seconds(1))).first?.value, moment > until else {
            return
        }
        for table in Self.tables {
            let sum = try await Self.sum(of: table, after: until, until: moment, over: connection)
            segments.append(Segment(table: table, after: until, until: moment, sum: sum))
        }
        until = moment
    }

    func changed(over connection: Connection) async throws -> [BrokenInvariant] {
        var found: [BrokenInvariant] = []
        for segment in segments {
            let now = try await Self.sum(
                of: segment.table,
                after: segment.after,
                until: segment.until,
                over: connection
            )
            guard now != segment.sum else { continue }
            let change = now.rows == segment.sum.rows ? "are others now" : "are \(now.rows) now"
            found.append(
                BrokenInvariant(
                    invariant: .historyStays,
                    check: "snapshot",
                    signupID: nil,
                    seen: "the \(segment.sum.rows) rows of embark.\(segment.table) after \(segment.after) and until "
                        + "\(segment.until) \(change)"
                )
            )
        }
        return found
    }

    private static func sum(
        of table: String,
        after: Timestamp,
        until: Timestamp,
        over connection: Connection
    ) async throws -> Sum {
        let rows = try await connection.run(sum(table, after, until), deadline: .seconds(300))
        guard let sum = rows.first else { throw CheckerError("the history of embark.\(table) was not summed") }
        return sum
    }
}
