/// Logs as one JSON object a line on standard error, or as text for a person at a terminal.
import Foundation
public import Logging
import Onboarding

/// The message is constant; what varies stands in keys. Everything passes the scrubber on its way out.
public struct LineLogHandler: LogHandler {
    public enum Format: String, Sendable, CaseIterable { case json, text }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: Format

    public init(label: String, format: Format, level: Logger.Level) {
        self.label = label
        self.format = format
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let date = Date.now
        LogSink.standardError.write(line(for: event, at: date)) { lost in
            let loss = LogEvent(
                level: .warning,
                message: "lines of this log could not be written",
                metadata: ["lines": "\(lost)"],
                source: nil,
                file: #fileID,
                function: #function,
                line: #line
            )
            return line(for: loss, at: date)
        }
    }

    /// The line without its end.
    func line(for event: LogEvent, at date: Date) -> String {
        var data = metadata.merging(event.metadata ?? [:]) { $1 }
        if let error = event.error, data["error"] == nil { data["error"] = "\(error)" }
        let values = data.map { (key: Self.key($0.key), value: Scrubber.scrub("\($0.value)")) }
            .sorted { $0.key < $1.key }
        let time = date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let message = Scrubber.scrub("\(event.message)")
        switch format {
        case .json:
            let members = [("time", time), ("level", event.level.rawValue), ("message", message)] + values
            return HTTPMessage.json(members.map { .init($0.0, $0.1) })
        case .text:
            let pairs = values.map { "\(Self.printable($0.key))=\(Self.printable($0.value))" }.joined(separator: " ")
            return "\(time) \(event.level.rawValue.uppercased()) \(Self.printable(message)) \(pairs)"
        }
    }

    /// A name that no line has already: a JSON object with a repeated name means whatever its reader likes.
    private static func key(_ name: String) -> String {
        ["time", "level", "message"].contains(name) ? "data.\(name)" : name
    }

    private static func printable(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : Character($0) })
    }
}
