/// Several statements as one transaction, where one depends on what the one before returned.
import Postgres

enum Transaction {
    /// Commits when `body` returns and rolls back when it throws. No transaction is ever open across a call to anything
    /// but the database.
    static func run<Result, Failure: Error>(
        on connection: Connection,
        _ body: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result where Failure: TransactionFailure {
        do throws(PostgresError) {
            try await connection.script("BEGIN")
        } catch {
            throw Failure(transaction: error)
        }
        let result: Result
        do throws(Failure) {
            result = try await body()
        } catch {
            do throws(PostgresError) {
                try await connection.script("ROLLBACK")
            } catch {
                // A connection that cannot roll back must not be used again; the server rolls back when it ends.
                await connection.close()
            }
            throw error
        }
        do throws(PostgresError) {
            try await connection.script("COMMIT")
        } catch {
            throw Failure(transaction: error)
        }
        return result
    }
}

/// An error that can say that the transaction itself failed.
protocol TransactionFailure: Error {
    init(transaction error: PostgresError)
}

extension PostgresError: TransactionFailure {
    init(transaction error: PostgresError) { self = error }
}

extension MigrationError: TransactionFailure {
    init(transaction error: PostgresError) { self = .database(error, doing: "the migration's transaction") }
}

extension PostgresError {
    /// The table or the schema does not exist: the database was never migrated, or not far enough.
    package var isMissingTable: Bool {
        sqlState == "42P01" || sqlState == "3F000" || sqlState == "42883" || sqlState == "42703"
    }

    /// The database is away, or as good as that. With a code it has answered, and stopped what took too long.
    var isNoAnswer: Bool { isConnectionLoss || (kind == .deadlineExceeded && sqlState == nil) }

    /// What was asked for may have been done or not.
    package var leavesEffectUnknown: Bool {
        switch kind {
        case .connectionLost: true
        // With a code the server has said that it stopped, and rolled back.
        case .deadlineExceeded, .cancelled: sqlState == nil
        case .server, .unreachable, .encoding, .decoding, .invalidOptions, .invalidStatement, .closed: false
        }
    }

    /// No worker can write: the database is away, full, or a standby that nobody has promoted yet. What was to be written is
    /// worth keeping until one can.
    var isOutage: Bool {
        // Class 53 is a lack of resources, such as a full disk; 25006 is read_only_sql_transaction.
        isConnectionLoss || sqlState?.hasPrefix("53") == true || sqlState == "25006"
    }

    /// insufficient_privilege
    package var isMissingPrivilege: Bool { sqlState == "42501" }

    /// Somebody else holds a lock for longer than the statement may wait.
    package var isLockTimeout: Bool { sqlState == "55P03" }

    /// A refusal of Embark's own SQL: its words hold no value and are meant to be shown.
    package var refusal: Refusal? {
        guard schemaName == "embark", tableName == nil, let sqlState, let serverMessage,
            ["22023", "23505", "55000", "P0002"].contains(sqlState)
        else { return nil }
        return Refusal(
            sqlState: sqlState,
            field: columnName,
            message: serverMessage,
            detail: serverDetail,
            hint: serverHint
        )
    }
}

/// What Embark's SQL said no to, and why.
package struct Refusal: Sendable, Equatable {
    package let sqlState: String
    package let field: String?
    package let message: String
    package let detail: String?
    package let hint: String?

    /// The SQLSTATE of "there is no such signup".
    package var isNoSuchThing: Bool { sqlState == "P0002" }
}
