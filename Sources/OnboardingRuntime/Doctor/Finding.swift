/// What one check of `embark doctor` found.
public struct Finding: Sendable, Equatable {
    public enum Level: String, Sendable {
        case ok = "OK"
        case warn = "WARN"
        case fail = "FAIL"
    }

    public let level: Level
    /// What was looked at, one or two words.
    public let subject: String
    public let message: String
    /// What to do; nil when there is nothing to do.
    public let remedy: String?

    static func ok(_ subject: String, _ message: String) -> Finding {
        Finding(level: .ok, subject: subject, message: message, remedy: nil)
    }

    static func warn(_ subject: String, _ message: String, remedy: String?) -> Finding {
        Finding(level: .warn, subject: subject, message: message, remedy: remedy)
    }

    static func fail(_ subject: String, _ message: String, remedy: String?) -> Finding {
        Finding(level: .fail, subject: subject, message: message, remedy: remedy)
    }
}
