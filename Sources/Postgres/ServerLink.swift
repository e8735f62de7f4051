/// One PGconn and nothing but: opening it, reading its state, closing it. What is said over it is in `Exchange`.
internal import CPostgres

/// Owns a libpq connection and closes it at the end.
///
/// `@unchecked Sendable`: libpq allows one thread at a time to use a connection. The thread that opens it hands it to one
/// `Connection`, on whose executor alone it is used from then on.
final class ServerLink: @unchecked Sendable {
    let pg: OpaquePointer
    let wakeup: Wakeup

    /// Blocks until the server has answered or libpq gives up.
    init(_ options: ConnectionOptions) throws(PostgresError) {
        wakeup = try Wakeup()
        guard let pg = Self.connect(options.parameters) else {
            throw PostgresError(.unreachable, "no memory for a connection to \(options.description)")
        }
        guard PQstatus(pg) == CONNECTION_OK else {
            let words = options.scrub(String(cString: PQerrorMessage(pg)).trimmingNewlines)
            PQfinish(pg)
            throw PostgresError(.unreachable, "cannot connect to \(options.description): \(words)")
        }
        self.pg = pg
        // Notices would go to stderr. They are of no use to a program, and may quote values.
        PQsetNoticeReceiver(pg, { _, _ in }, nil)
        PQsetnonblocking(pg, 1)
    }

    deinit { PQfinish(pg) }

    var isLost: Bool { PQstatus(pg) == CONNECTION_BAD }
    var isInTransaction: Bool { PQtransactionStatus(pg) != PQTRANS_IDLE }

    private static func connect(_ parameters: [String: String]) -> OpaquePointer? {
        let parameters = Array(parameters)
        return withPointers(to: parameters.map(\.key.nullTerminated)) { keywords in
            withPointers(to: parameters.map(\.value.nullTerminated)) { values in PQconnectdbParams(keywords, values, 0)
            }
        }
    }
}

/// Calls `body` with the addresses of the texts and a null pointer after them. A missing text is a null pointer.
func withPointers<Result>(
    to texts: [[UInt8]?],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    // One block, so that all addresses are valid together; never empty, so that an empty text has an address.
    var block: [UInt8] = []
    block.reserveCapacity(texts.reduce(1) { $0 + ($1?.count ?? 0) })
    for text in texts { block += text ?? [] }
    block.append(0)
    return block.withUnsafeBytes { block in
        var rest = block.assumingMemoryBound(to: CChar.self)[...]
        var pointers = texts.map { text -> UnsafePointer<CChar>? in
            guard let text else { return nil }
            defer { rest = rest.dropFirst(text.count) }
            return UnsafeBufferPointer(rebasing: rest).baseAddress
        }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { pointers in
            guard let base = pointers.baseAddress else { preconditionFailure("the list has at least its end") }
            return body(base)
        }
    }
}

extension String {
    var nullTerminated: [UInt8] { utf8 + [0] }

    /// libpq's messages end with a newline and may have several lines.
    var trimmingNewlines: String { split(whereSeparator: \.isNewline).joined(separator: "; ") }
}
