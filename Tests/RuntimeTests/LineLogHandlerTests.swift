/// Logs are lines that another program can read, and nothing secret stands in them.
import Foundation
import Logging
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(1))) struct LineLogHandlerTests {
    private func line(
        _ message: String,
        _ metadata: Logger.Metadata = [:],
        error: (any Error)? = nil,
        of handler: LineLogHandler = LineLogHandler(label: "tests", format: .json, level: .trace)
    ) -> String {
        handler.line(
            for: LogEvent(
                level: .warning,
                message: "\(message)",
                error: error,
                metadata: metadata,
                source: nil,
                file: #fileID,
                function: #function,
                line: #line
            ),
            at: Date(timeIntervalSince1970: 1_795_000_000.125)
        )
    }

    private func object(_ line: String) throws -> [String: String] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
    }

    @Test func `A line is one JSON object with its time, level, message and data`() throws {
        let line = line("the call failed", ["signup.id": "4711", "attempt": "\(2)"])
        #expect(
            line
                == #"{"time":"2026-11-18T11:06:40.125Z","level":"warning","message":"the call failed","#
                + #""attempt":"2","signup.id":"4711"}"#
        )
    }

    @Test(arguments: ["a\nb", "a\r\nb", "\0\u{1}\u{1B}[31m", "\"\\", "\u{2028}", "\u{1F469}\u{200D}\u{1F4BB}", ""])
    func `Whatever stands in a value, the line stays one line and means the same`(text: String) throws {
        let line = line(text, ["key": "\(text)", text + "x": "y"])
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 })
        let object = try object(line)
        #expect(object["message"] == text)
        #expect(object["key"] == text)
        #expect(object[text + "x"] == "y")
    }

    @Test func `Nested data passes the scrubber, too`() throws {
        let line = line(
            "got EAAGm0PX4ZCpsBAKcanary",
            ["a": ["b": ["c": "access_token=canary"]], "list": ["EAAGm0PX4ZCpsBAKcanary"], "s": .stringConvertible(1)]
        )
        #expect(!line.contains("canary"))
        #expect(try object(line)["s"] == "1")
    }

    @Test func `Data cannot take the place of the time, the level or the message`() throws {
        let line = line("m", ["message": "other", "level": "other", "time": "other"])
        let object = try object(line)
        #expect(object["message"] == "m")
        #expect(object["level"] == "warning")
        #expect(line.ranges(of: "\"message\":").count == 1)
    }

    @Test func `The handler's own data is there, and the event's wins`() throws {
        var handler = LineLogHandler(label: "tests", format: .json, level: .trace)
        handler[metadataKey: "worker.id"] = "1"
        handler[metadataKey: "b"] = "handler"
        let object = try object(line("m", ["b": "event"], of: handler))
        #expect(object["worker.id"] == "1")
        #expect(object["b"] == "event")
    }

    @Test func `The error of an event is not lost`() throws {
        struct Failure: Error, CustomStringConvertible { let description = "why access_token=canary" }
        let object = try object(line("m", error: Failure()))
        #expect(object["error"] == "why access_token=[secret]")
    }

    @Test func `As text a line has no control characters, so that a value cannot forge another line`() {
        let handler = LineLogHandler(label: "tests", format: .text, level: .trace)
        let line = line("m\nn", ["key": "a\r\n2026 ERROR forged\u{1B}[2J", "k\ney": "v"], of: handler)
        #expect(line == "2026-11-18T11:06:40.125Z WARNING m n k ey=v key=a  2026 ERROR forged [2J")
    }
}
