/// Secrets from standard input: an argument can be seen by every user of the machine.

enum StandardInput {
    /// The value itself or, for `-`, the next line of standard input.
    static func valueOrLine(_ value: String, _ flag: String) throws -> String {
        if value != "-" { return value }
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw CommandFailure(.usage, "\(flag) - was given, but standard input has no line for it")
        }
        return line
    }
}
