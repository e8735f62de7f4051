/// The simulator's ledger of a whole run: millions of lines, which wait in a file until they are checked.
public import Foundation
import Postgres
import Synchronization

public struct Ledger: Sendable {
    /// Lines in one statement.
    private static let batchMax = 20_000

    private let spool: Spool

    /// An empty one, in a file of its own that goes with it.
    public init() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "embark-ledger-\(UUID().uuidString)")
        spool = try Spool(file, isOwn: true)
    }

    /// One that stands in a file, such as what GET /simulator/ledger answers.
    public init(file: URL) throws { spool = try Spool(file, isOwn: false) }

    /// Takes further lines in. They hold codes in plain text, so the file is readable by this user alone.
    public mutating func append(lines: some Sequence<String>) throws {
        try spool.append(lines.map { $0 + "\n" }.joined())
    }

    /// Lays all lines beside the tables, and makes their indexes.
    func load(over connection: Connection) async throws {
        let reader = try FileHandle(forReadingFrom: spool.file)
        let newline = UInt8(ascii: "\n")
        var rest = Data()
        var batch = TextColumn(reserving: Self.batchMax)
        var count = 0
        while true {
            let read = try reader.read(upToCount: 1 << 20) ?? Data()
            if !read.isEmpty { rest.append(read) }
            var start = rest.startIndex
            while let end = rest[start...].firstIndex(of: newline) {
                try Self.check(rest[start..<end])
                if end > start {
                    batch.append(String(decoding: rest[start..<end], as: UTF8.self))
                    count += 1
                }
                start = rest.index(after: end)
            }
            rest = Data(rest[start...])
            if count >= Self.batchMax || (read.isEmpty && count > 0) {
                _ = try await connection.run(Self.insert(batch), deadline: .seconds(60))
                (batch, count) = (TextColumn(reserving: Self.batchMax), 0)
            }
            if read.isEmpty { break }
        }
        try reader.close()
        guard rest.isEmpty else { throw CheckerError("the ledger's last line is not whole") }
        try await connection.script(Check.text(PackageResources.index_ledger_sql), deadline: .seconds(300))
    }

    private static let insert = Statement<NoRow, TextColumn>(
        "load_ledger",
        Check.text(PackageResources.load_ledger_sql)
    )

    /// A simulator whose memory was full has let lines go: what is left proves nothing.
    private static func check(_ line: Data) throws {
        if line.count < 100, line.starts(with: Data(#"{"kind":"dropped""#.utf8)) {
            throw CheckerError("the ledger is not whole: \(String(decoding: line, as: UTF8.self))")
        }
    }
}

/// The file, and who may write to it at a time.
private final class Spool: Sendable {
    let file: URL
    private let isOwn: Bool
    private let writer: Mutex<FileHandle>

    init(_ file: URL, isOwn: Bool) throws {
        self.file = file
        self.isOwn = isOwn
        if isOwn {
            let isMade = FileManager.default.createFile(
                atPath: file.path,
                contents: nil,
                attributes: [.posixPermissions: 0o600]
            )
            guard isMade else { throw CheckerError("no file could be made for the ledger at \(file.path)") }
        }
        let handle = try FileHandle(forUpdating: file)
        try handle.seekToEnd()
        writer = Mutex(handle)
    }

    func append(_ text: String) throws {
        try writer.withLock { try $0.write(contentsOf: Data(text.utf8)) }
    }

    deinit {
        guard isOwn else { return }
        // It lies in the folder for temporary files, should this fail.
        try? FileManager.default.removeItem(at: file)
    }
}
