/// One PGconn and nothing but: opening it, reading its state, closing it. What is said over it is in `Exchange`.
internal import CPostgres

/// Owns a libpq connection and closes it at the end.
///
/// `@unchecked Sendable`: libpq allows one thread at a time to use a connection. The thread that opens it hands it to one
/// `Connection`, on whose executor alone it is used from then on.
final class ServerLink: @unchecked Sendable {
    let pg: OpaquePointer
    let wakeup: Wakeup
    private let farewell = Farewell()

    /// Blocks until the server has answered or libpq gives up.
    init(_ options: ConnectionOptions) throws(PostgresError) {
        wakeup = try Wakeup()
        guard let pg = Self.connect(options.parameters) else {
            throw PostgresError(.unreachable, "no memory for a connection to \(options.description)")
        }
        guard PQstatus(pg) == CONNECTION_OK else {
            let words = options.scrub(String(cString: PQerrorMessage(pg)).onOneLine)
            PQfinish(pg)
            let advice = TLSAdvice.for(words).map { ". \($0)" } ?? ""
            throw PostgresError(.unreachable, "cannot connect to \(options.description): \(words)\(advice)")
        }
        self.pg = pg
        // Notices would go to stderr. They are of no use to a program, and may quote values.
        let listener = Unmanaged.passUnretained(farewell).toOpaque()
        PQsetNoticeReceiver(pg, { Farewell.receive($0, $1) }, listener)
        PQsetnonblocking(pg, 1)
    }

    deinit { PQfinish(pg) }

    var isLost: Bool { PQstatus(pg) == CONNECTION_BAD || farewell.wasReceived }

    /// A commit of this session is on its server's disk, and no standby has confirmed it: the wait was given up. Told once.
    func takeUnconfirmedCommit() -> Bool {
        defer { farewell.commitIsUnconfirmed = false }
        return farewell.commitIsUnconfirmed
    }

    var isInTransaction: Bool { PQtransactionStatus(pg) != PQTRANS_IDLE }

    /// Reads what has arrived without being asked for. False once the server has hung up.
    func isAlive() -> Bool {
        while !isLost, SocketWait.news(on: PQsocket(pg), until: .now) {
            // PQisBusy parses, which is what makes the server's farewell known.
            guard PQconsumeInput(pg) == 1, PQisBusy(pg) == 0 else { return false }
        }
        return !isLost
    }

    private static func connect(_ parameters: [String: String]) -> OpaquePointer? {
        let parameters = Array(parameters)
        return withPointers(to: parameters.map(\.key.nullTerminated)) { keywords in
            withPointers(to: parameters.map(\.value.nullTerminated)) { values in
                PQconnectdbParams(keywords, values, 0)
            }
        }
    }
}

/// Hears what libpq takes for a mere notice: that the server ends the session while nothing is asked of it, and that it reports a
/// commit as done for which its standbys have not been waited long enough.
///
/// The reference that libpq holds lives as long as the connection. Both are used by one thread at a time.
private final class Farewell {
    private(set) var wasReceived = false
    var commitIsUnconfirmed = false

    static func receive(_ listener: UnsafeMutableRawPointer?, _ notice: OpaquePointer?) {
        guard let listener, let severity = PQresultErrorField(notice, Int32(UInt8(ascii: "V"))) else { return }
        let farewell = Unmanaged<Farewell>.fromOpaque(listener).takeUnretainedValue()
        if ["FATAL", "PANIC"].contains(String(cString: severity)) { farewell.wasReceived = true }
        // The warning has no code of its own, and its words are translated; the server's function that waits is named.
        if let function = PQresultErrorField(notice, Int32(UInt8(ascii: "R"))),
            String(cString: function) == "SyncRepWaitForLSN"
        {
            farewell.commitIsUnconfirmed = true
        }
    }
}
