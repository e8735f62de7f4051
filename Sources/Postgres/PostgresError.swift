/// The one error of this module: what went wrong, in words that are safe to show to anyone.

/// A failed call or a failed attempt to connect.
///
/// `description` never holds a value of a row or a parameter: PostgreSQL's own words often quote one, and error texts
/// end in logs. Those words are in `serverMessage` and `serverDetail`, for a caller that knows where they come from.
public struct PostgresError: Error, Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// The server refused the statement; `sqlState` says why. The connection stays usable.
        case server
        /// No connection could be opened. `description` holds libpq's words without credentials.
        case unreachable
        /// The connection was lost during the call: whether its effect took place is unknown.
        case connectionLost
        /// The call took longer than its deadline. If the connection is still usable, the server confirmed that the
        /// statement was cancelled; if it is not, whether the effect took place is unknown.
        case deadlineExceeded
        /// The calling task was cancelled. What `deadlineExceeded` says of effects holds here too.
        case cancelled
        /// A parameter has no PostgreSQL form. Nothing was sent.
        case encoding
        /// A result is not of the type that the row declares. The statement itself has taken effect.
        case decoding
        /// The connection string or another option is malformed. Nothing of it is shown.
        case invalidOptions
        /// The statement cannot be run this way, such as one that holds a NUL, or COPY. A programming mistake.
        case invalidStatement
        /// The connection or the pool was closed before the call.
        case closed
    }

    public internal(set) var kind: Kind
    /// What this module says about the error. Never a value.
    var reason: String?
    /// The name of the `Statement`; nil for a script and for a failure to connect.
    public internal(set) var statementName: String?
    /// PostgreSQL's five-character code, such as "23505".
    public internal(set) var sqlState: String?
    /// "ERROR", "FATAL" or "PANIC", untranslated.
    public internal(set) var severity: String?
    public internal(set) var schemaName: String?
    public internal(set) var tableName: String?
    /// The column of a violated constraint, or the column of a result that could not be decoded.
    public internal(set) var columnName: String?
    public internal(set) var constraintName: String?
    /// Where in the statement's text the server found the error, in characters from 1.
    public internal(set) var position: Int?
    /// The server's own words. They may contain values: show them only where the program knows where they come from.
    public internal(set) var serverMessage: String?
    /// As dangerous as `serverMessage`.
    public internal(set) var serverDetail: String?
    /// As dangerous as `serverMessage`.
    public internal(set) var serverHint: String?

    init(_ kind: Kind, _ reason: String? = nil) {
        self.kind = kind
        self.reason = reason
    }

    func naming(statement: String?) -> PostgresError {
        var named = self
        named.statementName = statement
        return named
    }
}

extension PostgresError {
    public var isUniqueViolation: Bool { sqlState == "23505" }
    public var isForeignKeyViolation: Bool { sqlState == "23503" }
    public var isCheckViolation: Bool { sqlState == "23514" }

    /// The server or the way to it is gone: another connection may succeed later. The effect of the call is unknown
    /// unless `kind` is `unreachable` or `closed`.
    public var isConnectionLoss: Bool {
        switch kind {
        case .unreachable, .connectionLost: return true
        case .server, .deadlineExceeded, .cancelled, .encoding, .decoding, .invalidOptions, .invalidStatement, .closed:
            guard let sqlState else { return false }
            return sqlState.hasPrefix("08") || ["57P01", "57P02", "57P03"].contains(sqlState)
        }
    }

    /// The server rolled the transaction back and asks to try the same again: 40001 and 40P01.
    public var isRetryable: Bool { sqlState == "40001" || sqlState == "40P01" }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Safe to show to anyone, such as "claim: 23505 unique_violation, table embark.job, constraint job_pkey".
    public var description: String {
        var facts: [String] = []
        if let sqlState {
            facts.append([sqlState, SQLState.name(of: sqlState)].compactMap(\.self).joined(separator: " "))
        }
        if let reason { facts.append(reason) }
        if facts.isEmpty || kind == .connectionLost || kind == .deadlineExceeded { facts.insert(kind.words, at: 0) }
        if let tableName { facts.append("table " + [schemaName, tableName].compactMap(\.self).joined(separator: ".")) }
        if let columnName { facts.append("column \(columnName)") }
        if let constraintName { facts.append("constraint \(constraintName)") }
        if let position { facts.append("at character \(position)") }
        let said = facts.joined(separator: ", ")
        return statementName.map { "\($0): \(said)" } ?? said
    }

    /// The same as `description`: a debugger's or a logger's dump is read by people too.
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension PostgresError.Kind {
    var words: String {
        switch self {
        case .server: "the server refused the statement"
        case .unreachable: "PostgreSQL cannot be reached"
        case .connectionLost: "the connection was lost"
        case .deadlineExceeded: "the deadline passed"
        case .cancelled: "the task was cancelled"
        case .encoding: "a parameter cannot be encoded"
        case .decoding: "the result cannot be decoded"
        case .invalidOptions: "the connection options are malformed"
        case .invalidStatement: "the statement cannot be run this way"
        case .closed: "the connection is closed"
        }
    }
}
