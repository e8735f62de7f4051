/// From libpq's error result to a `PostgresError`.
internal import CPostgres

extension QueryResult {
    /// nil unless the server refused the command. FATAL and PANIC end the session, so they are `connectionLost`.
    var error: PostgresError? {
        guard status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE else { return nil }
        let severity = field("V") ?? field("S")
        var error = PostgresError(severity == "FATAL" || severity == "PANIC" ? .connectionLost : .server)
        error.severity = severity
        error.sqlState = field("C")
        error.schemaName = field("s")
        error.tableName = field("t")
        error.columnName = field("c")
        error.constraintName = field("n")
        error.position = field("P").flatMap { Int($0) }
        error.serverMessage = field("M")
        error.serverDetail = field("D")
        error.serverHint = field("H")
        return error
    }
}

extension PostgresError {
    /// The same error, of a connection that turned out to be lost.
    var asLost: PostgresError {
        var lost = self
        lost.kind = .connectionLost
        return lost
    }

    /// The same error where this program itself asked the server to stop: 57014 is then its deadline or cancellation.
    func explained(by interruption: Exchange.Interruption?) -> PostgresError {
        guard let interruption, sqlState == "57014" else { return self }
        var stopped = self
        stopped.kind = interruption.kind
        return stopped
    }
}
