/// Lines of a file or of standard input, in batches, with a bounded buffer.
import Foundation

package struct LineReader {
    package struct Line: Equatable {
        /// From 1, empty lines included, as an editor counts.
        package let number: Int
        /// nil for a line that cannot be text of a signup; `problem` says why.
        package let text: String?
        package let problem: String?

        package init(number: Int, text: String?, problem: String?) {
            self.number = number
            self.text = text
            self.problem = problem
        }
    }

    /// The file cannot be opened, or not be read.
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    private let file: String
    /// Of a line, without its newline.
    private let lineBytesMax: Int
    /// Read at once.
    private let chunkBytes: Int
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    /// Where the next line begins in the buffer.
    private var position = 0
    private var number = 0
    private var isAtEnd = false
    /// How much has been read, and how much there is; nil for a pipe.
    package private(set) var bytesRead = 0
    package let bytesTotal: Int?
    /// In a line that is too long: its rest is read and dropped.
    private var isSkipping = false

    /// - Parameters:
    ///   - file: a path, or - for standard input.
    ///   - lineBytesMax: no valid signup is longer than 1 MiB: its largest field, the metadata, has at most 16 KiB.
    package init(file: String, lineBytesMax: Int = 1 << 20, chunkBytes: Int = 1 << 16) throws {
        self.file = file
        self.lineBytesMax = lineBytesMax
        self.chunkBytes = chunkBytes
        if file == "-" {
            handle = .standardInput
            bytesTotal = Self.size(of: handle)
            return
        }
        do {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        } catch {
            throw Unreadable(description: "the file \(file) cannot be opened")
        }
        bytesTotal = Self.size(of: handle)
    }

    private static func size(of handle: FileHandle) -> Int? {
        var facts = stat()
        guard fstat(handle.fileDescriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(facts.st_size)
    }

    /// The next lines, without empty ones: waits for one and takes what has come with it. None at the end of the file.
    ///
    /// It does not wait for a batch to fill: a code that comes through a pipe has 30 seconds.
    package mutating func batch(linesMax: Int, bytesMax: Int) throws -> [Line] {
        var lines: [Line] = []
        var bytes = 0
        while lines.count < linesMax, bytes < bytesMax, let line = try next(waits: lines.isEmpty) {
            lines.append(line)
            bytes += line.text?.utf8.count ?? 0
        }
        return lines
    }

    /// - Parameter waits: whether to read on where no whole line is there.
    private mutating func next(waits: Bool) throws -> Line? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[position..<end]
                position = end + 1
                number += 1
                searched = position
                if isSkipping || line.count > lineBytesMax {
                    isSkipping = false
                    return tooLong
                }
                if let found = read(Array(line)) { return found }
                continue
            }
            // What is left is the beginning of a line.
            buffer.removeFirst(position)
            position = 0
            if buffer.count > lineBytesMax {
                isSkipping = true
                buffer.removeAll()
            }
            searched = buffer.count
            if isAtEnd {
                defer {
                    buffer.removeAll()
                    isSkipping = false
                }
                if buffer.isEmpty, !isSkipping { return nil }
                number += 1
                return isSkipping ? tooLong : read(buffer)
            }
            guard waits else { return nil }
            try readChunk()
        }
    }

    /// Waits until there is something and takes what is there. FileHandle would wait for the whole chunk.
    private mutating func readChunk() throws {
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        var count: Int
        repeat {
            count = chunk.withUnsafeMutableBytes { Foundation.read(handle.fileDescriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        // A directory can be opened, and fails here.
        guard count >= 0 else { throw Unreadable(description: "the file \(file) cannot be read") }
        if count == 0 { isAtEnd = true }
        bytesRead += count
        buffer += chunk[..<count]
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
