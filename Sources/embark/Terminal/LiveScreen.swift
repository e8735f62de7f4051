/// A page of a terminal that is drawn again and again in place, and given back as it was found whatever ends it.
import Foundation
import Synchronization

/// Draws on the alternate screen, so that what stood there comes back at the end, with the cursor hidden. Signals and keys come
/// as events: Ctrl-C, Ctrl-\, SIGTERM and SIGHUP are `.quit`, a changed size is `.resized`. Ctrl-Z gives the terminal back for as
/// long as the process is stopped.
final class LiveScreen: Sendable {
    enum Event: Sendable {
        case resized
        case quit
        case key(Character)
    }

    let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation
    private let queue = DispatchQueue(label: "embark.screen")
    /// nil once the terminal has been given back.
    private let open: Mutex<Open?>
    /// Never changed after the beginning, and Dispatch's sources may be cancelled from anywhere.
    nonisolated(unsafe) private var sources: [any DispatchSourceProtocol] = []

    private struct Open {
        /// What the terminal's own settings were; nil where it is not typed on.
        let attributes: termios?
    }

    // Lines that are too long are cut and never wrapped, should a character be wider than thought.
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    private static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    init() {
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
        let attributes = Self.withoutEcho()
        open = Mutex(Open(attributes: attributes))
        Self.write(Self.enter)
        let endings = [SIGINT, SIGQUIT, SIGTERM, SIGHUP].map { ($0, Event.quit) }
        for (number, event) in [(SIGWINCH, Event.resized)] + endings {
            // Otherwise it would do what it does by default as well.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [continuation] in continuation.yield(event) }
            sources.append(source)
        }
        signal(SIGTSTP, SIG_IGN)
        let stop = DispatchSource.makeSignalSource(signal: SIGTSTP, queue: queue)
        stop.setEventHandler { [weak self] in self?.suspend() }
        sources.append(stop)
        if attributes != nil {
            let keys = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: queue)
            keys.setEventHandler { [continuation] in
                var bytes = [UInt8](repeating: 0, count: 64)
                let count = read(STDIN_FILENO, &bytes, bytes.count)
                // Nobody types there any more; signals still end it.
                guard count > 0 else { return keys.cancel() }
                for byte in bytes.prefix(count) { continuation.yield(.key(Character(Unicode.Scalar(byte)))) }
            }
            sources.append(keys)
        }
        for source in sources { source.resume() }
    }

    /// Shows these lines, of which as many fit as the screen has rows, in one write: nothing flickers. Nothing is shown once the
    /// terminal has been given back.
    func draw(_ lines: [ScreenLine]) {
        let size = Terminal.size()
        var text = "\u{1B}[H"
        for (index, line) in lines.prefix(size.rows).enumerated() {
            if index > 0 { text += "\u{1B}[\(index + 1);1H" }
            let fitting = TerminalText.clipped(line.text, size.columns)
            text += line.style.map { "\u{1B}[\($0.rawValue)m\(fitting)\u{1B}[0m" } ?? fitting
            // At the right edge there is nothing to erase, and the erasing would take the last character.
            if TerminalText.columns(fitting) < size.columns { text += "\u{1B}[K" }
        }
        if lines.count < size.rows { text += "\u{1B}[J" }
        open.withLock { if $0 != nil { Self.write(text) } }
    }

    /// Gives the terminal back; again it does nothing.
    func close() {
        open.withLock { open in
            guard let was = open.take() else { return }
            Self.giveBack(was.attributes)
        }
        for source in sources { source.cancel() }
        continuation.finish()
    }

    private func suspend() {
        open.withLock { open in
            guard let was = open else { return }
            Self.giveBack(was.attributes)
            // Until somebody continues it.
            raise(SIGSTOP)
            if was.attributes != nil { _ = Self.withoutEcho() }
            Self.write(Self.enter)
        }
        continuation.yield(.resized)
    }

    private static func giveBack(_ attributes: termios?) {
        write(leave)
        if var attributes { tcsetattr(STDIN_FILENO, TCSAFLUSH, &attributes) }
    }

    /// Keys come at once and are not shown; Ctrl-C stays a signal. Returns what was before; nil without a terminal.
    private static func withoutEcho() -> termios? {
        var attributes = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &attributes) == 0 else { return nil }
        let before = attributes
        attributes.c_lflag &= ~tcflag_t(ICANON | ECHO)
        // A terminal that another job is using cannot be changed, and is not ours to read from.
        return tcsetattr(STDIN_FILENO, TCSANOW, &attributes) == 0 ? before : nil
    }

    /// All of it; a terminal that has gone away ends the command by SIGHUP.
    private static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}

/// A line of the screen: how it looks is beside the text, so that cutting it cuts no escape sequence.
struct ScreenLine: Equatable, Sendable {
    var text: String
    var style: Output.Color?

    init(_ text: String = "", _ style: Output.Color? = nil) {
        self.text = text
        self.style = style
    }
}
