/// How loud and in which form a process logs.
public import Logging

public struct LogSettings: Sendable {
    public let level: Logger.Level
    public let format: LineLogHandler.Format

    /// - Parameter isTerminal: whether a person watches: text then, unless the setting says otherwise.
    public init(sources: SettingSources, isTerminal: Bool) throws(SettingsError) {
        level = try Self.level(sources)
        format = try Self.format(sources, isTerminal: isTerminal)
    }

    static func level(_ sources: SettingSources) throws(SettingsError) -> Logger.Level {
        let level = try sources.string("EMBARK_LOG_LEVEL")
        guard let known = Logger.Level(rawValue: level) else {
            throw .malformed(
                name: "EMBARK_LOG_LEVEL",
                rule: "must be one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        return known
    }

    static func format(_ sources: SettingSources, isTerminal: Bool) throws(SettingsError) -> LineLogHandler.Format {
        let format = try sources.string("EMBARK_LOG_FORMAT")
        if format.isEmpty {
            return isTerminal ? .text : .json
        }
        guard let known = LineLogHandler.Format(rawValue: format) else {
            throw .malformed(name: "EMBARK_LOG_FORMAT", rule: "must be json or text")
        }
        return known
    }
}
