/// The terminal that standard output goes to: its size.
import Foundation

enum Terminal {
    struct Size: Equatable, Sendable {
        var columns: Int
        var rows: Int
    }

    /// What the terminal says; where it does not know, COLUMNS and LINES, and else 80 by 24.
    static func size() -> Size {
        var window = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0
        return Size(
            columns: isKnown && window.ws_col > 0 ? Int(window.ws_col) : number("COLUMNS") ?? 80,
            rows: isKnown && window.ws_row > 0 ? Int(window.ws_row) : number("LINES") ?? 24
        )
    }

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }
}
