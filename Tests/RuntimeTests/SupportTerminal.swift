/// Runs the built `embark` on a pseudo-terminal, as a person at one does, and keeps every frame that it draws.
import Foundation
import Support
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

final class TerminalCommand: Sendable {
    /// What a full-screen program drew between two returns to the top left.
    struct Frame: Sendable {
        /// The lines, without what is no text.
        let lines: [String]
        /// The terminal's size when the frame came in.
        let columns: Int
        let rows: Int
    }

    private struct Screen {
        var output: [UInt8] = []

        var text: String { String(decoding: output, as: UTF8.self) }

        var columns: Int
        var rows: Int
    }

    private let master: Int32
    private let slave: Int32
    private let processID = Mutex<Int32>(0)
    private let screen: Mutex<Screen>
    private let queue = DispatchQueue(label: "support.terminal")

    private init(columns: Int, rows: Int) throws {
        var (master, slave) = (Int32(-1), Int32(-1))
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&master, &slave, nil, nil, &size) == 0 else {
            throw SupportError("no pseudo-terminal can be had")
        }
        (self.master, self.slave) = (master, slave)
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        screen = Mutex(Screen(columns: columns, rows: rows))
    }

    deinit {
        close(master)
        close(slave)
    }

    /// Runs the command for as long as `body` does, which has to end it; after that it is killed. Returns its exit code, or minus
    /// the signal that ended it.
    static func run(
        _ arguments: [String],
        database: String,
        columns: Int = 80,
        rows: Int = 24,
        environment: [String: String] = [:],
        _ body: (TerminalCommand) async throws -> Void
    ) async throws -> (code: Int32, terminal: TerminalCommand) {
        let terminal = try TerminalCommand(columns: columns, rows: rows)
        let process = Process()
        process.executableURL = Command.products.appending(path: "embark")
        process.arguments = arguments
        process.environment = [
            "PATH": "/usr/bin:/bin", "HOME": "/", "TERM": "xterm-256color", "EMBARK_DATABASE_URL": database,
            "EMBARK_GRAPH_URL": "http://127.0.0.1:1",
        ].merging(environment) { $1 }
        let end = FileHandle(fileDescriptor: terminal.slave, closeOnDealloc: false)
        process.standardInput = end
        process.standardOutput = end
        process.standardError = end
        let ended = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            let code = process.terminationStatus
            ended.continuation.yield(process.terminationReason == .exit ? code : -code)
            ended.continuation.finish()
        }
        let reading = terminal.read()
        try process.run()
        terminal.processID.withLock { $0 = process.processIdentifier }
        var failure: (any Error)?
        do {
            try await body(terminal)
        } catch {
            failure = error
            kill(process.processIdentifier, SIGKILL)
        }
        let limit = Task {
            try await Task.sleep(for: .seconds(20))
            kill(process.processIdentifier, SIGKILL)
        }
        var code: Int32 = 0
        for await status in ended.stream { code = status }
        limit.cancel()
        // What it wrote last may still be on the way to us.
        terminal.queue.sync { terminal.drain() }
        reading.cancel()
        if let failure { throw failure }
        return (code, terminal)
    }

    private func read() -> any DispatchSourceRead {
        let source = DispatchSource.makeReadSource(fileDescriptor: master, queue: queue)
        source.setEventHandler { [self] in drain() }
        source.resume()
        return source
    }

    /// Takes what is there. Bytes and not texts are joined, for a character may come in two parts.
    private func drain() {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(master, &bytes, bytes.count)
            guard count > 0 else { return }
            screen.withLock { $0.output += bytes.prefix(count) }
        }
    }

    /// All that came out of it.
    var output: String { screen.withLock { $0.text } }

    /// The last frame, which may still be growing.
    var frame: Frame {
        screen.withLock { screen in
            let last = screen.text.components(separatedBy: "\u{1B}[H").last ?? ""
            // Each line but the first says where it begins.
            let lines = last.replacing(/\u{1B}\[[0-9]+;1H/, with: "\n").replacing(/\u{1B}\[[0-9;?]*[A-Za-z]/, with: "")
                .components(separatedBy: "\n")
            return Frame(lines: lines, columns: screen.columns, rows: screen.rows)
        }
    }

    /// The number of frames so far.
    var frames: Int { screen.withLock { $0.text.components(separatedBy: "\u{1B}[H").count - 1 } }

    func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

    func send(_ signal: Int32) { kill(processID.withLock { $0 }, signal) }

    /// The terminal is not the process's controlling one, so that the signal that goes with a new size comes from here.
    func resize(columns: Int, rows: Int) {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        screen.withLock { screen in
            _ = ioctl(slave, UInt(TIOCSWINSZ), &size)
            screen.columns = columns
            screen.rows = rows
        }
        send(SIGWINCH)
    }

    /// Whether what is typed is shown and comes line by line, as a shell leaves it.
    var isCooked: Bool {
        var attributes = termios()
        return tcgetattr(slave, &attributes) == 0 && attributes.c_lflag & tcflag_t(ECHO) != 0
            && attributes.c_lflag & tcflag_t(ICANON) != 0
    }
}
