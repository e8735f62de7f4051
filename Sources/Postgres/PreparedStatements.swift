/// Which statements the server has prepared on one connection, and under what names.

struct PreparedStatements {
    private struct Entry {
        let sql: String
        /// The statement's own name, until it has to be prepared anew.
        var serverName: String
        var isPrepared = false
    }

    /// Whether the session keeps statements at all.
    let isKept: Bool
    private var entries: [String: Entry] = [:]
    private var renamings = 0

    /// PostgreSQL cuts longer names off, and two would become one.
    private static let nameBytesMax = 63

    init(isKept: Bool = true) { self.isKept = isKept }

    /// Throws `invalidStatement` for a name or a text that cannot be prepared here.
    mutating func check(_ statement: BoundStatement) throws(PostgresError) {
        let reason: String? =
            if statement.name.isEmpty || statement.name.utf8.count > Self.nameBytesMax {
                "the name of a statement has 1 to \(Self.nameBytesMax) bytes"
            } else if statement.name.utf8.contains(0) || statement.sql.utf8.contains(0) {
                "a statement with a NUL"
            } else if let entry = entries[statement.name], entry.sql != statement.sql {
                "another text has this name on the same connection"
            } else {
                nil
            }
        if let reason { throw PostgresError(.invalidStatement, reason).naming(statement: statement.name) }
        if entries[statement.name] == nil {
            entries[statement.name] = Entry(sql: statement.sql, serverName: statement.name)
        }
    }

    func isPrepared(_ statement: BoundStatement) -> Bool { entries[statement.name]?.isPrepared ?? false }

    /// The name that the server knows.
    func serverName(of statement: BoundStatement) -> String { entries[statement.name]?.serverName ?? statement.name }

    mutating func markPrepared(_ statement: BoundStatement) { entries[statement.name]?.isPrepared = true }

    /// After an error that says the prepared statement is gone (26000), or that a migration changed what it returns
    /// (0A000): the next call prepares it anew, under another name because the old one may still be taken.
    mutating func forget(_ statement: BoundStatement, after error: PostgresError) {
        guard error.sqlState == "26000" || error.sqlState == "0A000", isPrepared(statement) else { return }
        renamings += 1
        let beginning = String(decoding: statement.name.utf8.prefix(40), as: UTF8.self)
        entries[statement.name]?.isPrepared = false
        entries[statement.name]?.serverName = "\(beginning) \(renamings)"
    }
}
