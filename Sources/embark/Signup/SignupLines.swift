/// Signups from JSON lines: read, enqueued and reported in batches of a bounded size.
import Foundation
import OnboardingRuntime
import Postgres

struct SignupLines {
    /// Lines in one round trip.
    static let batchLinesMax = 500
    /// Bytes in one round trip, but for a single longer line.
    static let batchBytesMax = 1 << 20

    let file: String
    let global: GlobalOptions

    /// - Throws: `CommandFailure` with `refused` when a line was; the others are enqueued.
    func enqueue() async throws {
        let output = global.output
        var report = LinesReport(output: output)
        var reader = try LineReader(file: file)
        let connection = try await global.connect()
        do {
            while true {
                let batch = try reader.batch(linesMax: Self.batchLinesMax, bytesMax: Self.batchBytesMax)
                if batch.isEmpty { break }
                try await enqueue(batch, on: connection, into: &report)
                report.advance(bytes: reader.bytesRead, of: reader.bytesTotal)
            }
        } catch {
            await connection.close()
            report.end()
            throw error
        }
        await connection.close()
        report.end()
        if report.refused > 0 { throw CommandFailure(.refused, nil) }
    }

    private func enqueue(
        _ batch: [LineReader.Line],
        on connection: Connection,
        into report: inout LinesReport
    ) async throws {
        let texts = batch.compactMap(\.text)
        var results = await SignupStore.enqueue(jsonLines: texts, on: connection)[...]
        for line in batch {
            guard line.text != nil else {
                try report.refuse(line.number, line.problem ?? "it cannot be read")
                continue
            }
            switch results.popFirst() {
            case .success(let row)?:
                if let id = row.id {
                    try report.accept(line.number, id)
                } else {
                    try report.refuse(line.number, row.problem ?? "it was not enqueued")
                }
            case .failure(let error)?:
                try report.refuse(line.number, try Self.reason(error, line: line.number))
            case nil:
                throw CommandFailure(.failed, "the database answered fewer lines than it was sent")
            }
        }
    }

    /// What to say of a line that the database refused.
    ///
    /// - Throws: what is not the line's fault and would hit the others, too.
    private static func reason(_ error: PostgresError, line: Int) throws -> String {
        // 55000 is not the line's doing either: the installation is not configured.
        if let refusal = error.refusal, refusal.sqlState != "55000" { return refusal.message }
        // Class 22 is bad data: here, text that is no JSON.
        if error.sqlState?.hasPrefix("22") == true { return "it is not a JSON object" }
        // Class 54 is a limit of the server's: here, JSON that is nested too deeply.
        if error.sqlState?.hasPrefix("54") == true { return "it is nested too deeply or too large" }
        if error.kind == .encoding { return "it holds a NUL byte" }
        guard let failure = CommandFailure(error) else { throw error }
        throw CommandFailure(
            failure.code,
            """
            \(failure.message ?? "the database failed")
            The lines before \(line) have been answered. This one and those behind it may or may not be enqueued: lines
            with an external_id can safely be sent again.
            """
        )
    }
}

/// What the person or program at the other end hears of the lines.
private struct LinesReport {
    let output: Output
    private(set) var accepted = 0
    private(set) var refused = 0
    private let progress = ProgressBar()

    init(output: Output) { self.output = output }

    mutating func accept(_ number: Int, _ id: Int64) throws {
        accepted += 1
        if output.format != .table {
            output.line(try Output.object(["line": "\(number)", "id": "\"\(id)\""]))
        }
    }

    /// On a terminal: how far it has come.
    func advance(bytes: Int, of total: Int?) {
        let label = "\(accepted) enqueued" + (refused == 0 ? "" : ", \(refused) refused")
        if let total, total > 0 {
            progress.show(label, share: Double(bytes) / Double(total))
        } else {
            progress.show(label)
        }
    }

    mutating func refuse(_ number: Int, _ reason: String) throws {
        refused += 1
        if output.format != .table {
            output.line(try Output.object(["line": "\(number)", "error": Output.quoted(reason)]))
        } else {
            progress.end()
            output.note("line \(number): \(Output.printable(reason))")
        }
    }

    func end() {
        let verdict = refused == 0 ? "none refused" : "\(refused) refused"
        progress.end()
        output.note("\(accepted) enqueued, \(verdict)")
    }
}
