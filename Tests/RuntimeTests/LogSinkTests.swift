/// Where log lines go, when they cannot go there.
import Foundation
import Testing

@testable import OnboardingRuntime

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.timeLimit(.minutes(1))) struct LogSinkTests {
    @Test func `Lines that cannot be written are counted, and the next one that can be says how many`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let (reader, writer) = (ends[0], ends[1])
        defer { for end in ends { #expect(close(end) == 0) } }
        // Full instead of waiting, as a disk is.
        for end in ends { try #require(fcntl(end, F_SETFL, O_NONBLOCK) == 0) }
        let sink = LogSink(writer)
        let long = String(repeating: "x", count: 999)
        for number in 0..<100 { sink.write("\(number) \(long)") { "lost \($0)" } }
        let first = Self.read(reader)
        let whole = first.dropLast()
        #expect(whole.count > 10)
        for (number, line) in whole.enumerated() { #expect(line == "\(number) \(long)") }
        // What was cut off ends where it was cut off.
        sink.write("there is room") { "lost \($0)" }
        sink.write("again") { "lost \($0)" }
        let rest = Self.read(reader)
        #expect(
            rest
                == [first.last == "" ? nil : "", "lost \(100 - whole.count)", "there is room", "again", ""].compactMap(
                    \.self
                )
        )
    }

    /// All that is there, by lines; the last one is what has no end yet.
    private static func read(_ descriptor: Int32) -> [String] {
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let limit = bytes.count
        #if canImport(Glibc)
            let count = Glibc.read(descriptor, &bytes, limit)
        #else
            let count = Darwin.read(descriptor, &bytes, limit)
        #endif
        let text = String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
        return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}
