/// One line on a terminal's standard error that says how far long work has come; in a pipe there is none.
import Foundation
import Synchronization

final class ProgressBar: Sendable {
    private struct State {
        var label = ""
        var share = 0.0
        var shown = ContinuousClock.Instant.now - .seconds(1)
    }

    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State())
    private let started = ContinuousClock.now
    private static let columns = 24

    /// - Parameter share: 0 to 1; 0 keeps what was shown before, for a part of a measure.
    func show(_ label: String, share: Double) {
        guard isTerminal else { return }
        let text = state.withLock { state -> String? in
            state.label = label
            state.share = max(state.share, share)
            guard .now - state.shown >= .milliseconds(100) || share == 1 else { return nil }
            state.shown = .now
            return Self.line(label, state.share, elapsed: .now - started)
        }
        if let text { write("\r\u{1B}[K" + text) }
    }

    /// Work of which nobody knows how much there is: a pipe.
    func show(_ label: String) {
        guard isTerminal else { return }
        let isDue = state.withLock { state in
            guard .now - state.shown >= .milliseconds(100) else { return false }
            state.shown = .now
            return true
        }
        if isDue { write("\r\u{1B}[K\(label)  \(Self.clock(.now - started))") }
    }

    /// Takes the line away.
    func end() { if isTerminal { write("\r\u{1B}[K") } }

    static func line(_ label: String, _ share: Double, elapsed: Duration) -> String {
        let filled = Int((min(max(share, 0), 1) * Double(columns)).rounded())
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: columns - filled)
        return "\(bar) \(Int(min(share, 1) * 100)) %  \(label)  \(clock(elapsed))"
    }

    private static func clock(_ elapsed: Duration) -> String {
        "\(elapsed.components.seconds / 60) min \(elapsed.components.seconds % 60) s"
    }

    private func write(_ text: String) { StandardStreams.err(text) }
}
