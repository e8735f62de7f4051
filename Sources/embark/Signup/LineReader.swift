/// Lines of a file or of standard input, in batches, with a bounded buffer.
import Foundation

struct LineReader {
    struct Line {
        /// From 1, empty lines included, as an editor counts.
        let number: Int
        /// nil for a line that cannot be text of a signup; `problem` says why.
        let text: String?
        let problem: String?
    }

    /// No valid signup is longer: its largest field, the metadata, has at most 16 KiB.
    static let lineBytesMax = 1 << 20
    private static let chunkBytes = 1 << 16

    private let file: String
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var number = 0
    private var isAtEnd = false
    /// In a line that is too long: its rest is read and dropped.
    private var isSkipping = false

    /// - Parameter file: a path, or - for standard input.
    init(file: String) throws {
        self.file = file
        if file == "-" {
            handle = .standardInput
            return
        }
        do {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        } catch {
            throw CommandFailure(.usage, "the file \(file) cannot be opened")
        }
    }

    /// The next lines, without empty ones; none at the end of the file.
    mutating func batch(linesMax: Int, bytesMax: Int) throws -> [Line] {
        var lines: [Line] = []
        var bytes = 0
        while lines.count < linesMax, bytes < bytesMax, let line = try next() {
            lines.append(line)
            bytes += line.text?.utf8.count ?? 0
        }
        return lines
    }

    private mutating func next() throws -> Line? {
        var searched = 0
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<end])
                buffer.removeFirst(end + 1)
                number += 1
                searched = 0
                if isSkipping {
                    isSkipping = false
                    return tooLong
                }
                if let found = read(line) { return found }
                continue
            }
            searched = buffer.count
            if searched > Self.lineBytesMax {
                isSkipping = true
                buffer.removeAll()
                searched = 0
            }
            if isAtEnd {
                defer {
                    buffer.removeAll()
                    isSkipping = false
                }
                if buffer.isEmpty, !isSkipping { return nil }
                number += 1
                return isSkipping ? tooLong : read(buffer)
            }
            if let chunk = try read(), !chunk.isEmpty {
                buffer += chunk
            } else {
                isAtEnd = true
            }
        }
    }

    private func read() throws -> Data? {
        do {
            return try handle.read(upToCount: Self.chunkBytes)
        } catch {
            // A directory can be opened, and fails here.
            throw CommandFailure(.usage, "the file \(file) cannot be read")
        }
    }

    private var tooLong: Line { Line(number: number, text: nil, problem: "it is longer than 1 MiB") }

    /// nil for a line of blanks.
    private func read(_ bytes: [UInt8]) -> Line? {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return Line(number: number, text: nil, problem: "it is not UTF-8 text")
        }
        return text.allSatisfy(\.isWhitespace) ? nil : Line(number: number, text: text, problem: nil)
    }
}
