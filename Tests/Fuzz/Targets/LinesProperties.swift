import Foundation
import Onboarding
import OnboardingRuntime

/// Lines are read as a simpler reader reads them, whatever is read at once and however many are asked for.
enum LinesProperties {
    static func check(_ bytes: [UInt8]) {
        guard bytes.count >= 4 else { return }
        let limits = bytes.prefix(4).map { Int($0 & 63) + 1 }
        let (linesMax, bytesMax, lineBytesMax, chunkBytes) = (limits[0], limits[1], limits[2], limits[3])
        let content = Array(bytes.dropFirst(4))
        let read: [LineReader.Line]
        do {
            read = try through(content, lineBytesMax: lineBytesMax, chunkBytes: chunkBytes) { batch in
                require(batch.count <= linesMax, "a batch has as many lines as were asked for")
                let before = batch.dropLast().reduce(0) { $0 + ($1.text?.utf8.count ?? 0) }
                require(batch.count == 1 || before < bytesMax, "a batch ends with the line that fills it")
            } batch: { reader in
                try reader.batch(linesMax: linesMax, bytesMax: bytesMax)
            }
        } catch {
            return require(false, "lines are read, whatever is in them: \(error)")
        }
        require(read == expected(content, lineBytesMax), "lines are those of a simpler reader: \(read)")
        for text in read.compactMap(\.text) { checkJSON(text) }
    }

    /// What goes to PostgreSQL as JSON is JSON.
    private static func checkJSON(_ text: String) {
        guard JSONLine.problem(text) == nil, !text.utf8.contains(0) else { return }
        if case .unreadable(let what) = AnswerParser.content(of: Array(text.utf8), contentType: nil) {
            require(what.hasPrefix("nested too deeply"), "what goes to PostgreSQL as JSON is JSON: \(what)")
        }
    }

    private static func through(
        _ content: [UInt8],
        lineBytesMax: Int,
        chunkBytes: Int,
        _ inspect: ([LineReader.Line]) -> Void,
        batch: (inout LineReader) throws -> [LineReader.Line]
    ) throws -> [LineReader.Line] {
        let pipe = Pipe()
        // A pipe holds 64 KiB: nobody has to read meanwhile.
        try pipe.fileHandleForWriting.write(contentsOf: content)
        try pipe.fileHandleForWriting.close()
        var reader = try LineReader(
            file: "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)",
            lineBytesMax: lineBytesMax,
            chunkBytes: chunkBytes
        )
        var lines: [LineReader.Line] = []
        while true {
            let next = try batch(&reader)
            if next.isEmpty { break }
            inspect(next)
            lines += next
        }
        try pipe.fileHandleForReading.close()
        require(reader.bytesRead == content.count, "everything is read")
        return lines
    }

    private static func expected(_ content: [UInt8], _ lineBytesMax: Int) -> [LineReader.Line] {
        var parts = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        return parts.enumerated().compactMap { index, part in
            if part.count > lineBytesMax {
                return LineReader.Line(number: index + 1, text: nil, problem: "it is longer than 1 MiB")
            }
            guard let text = String(validating: part, as: UTF8.self) else {
                return LineReader.Line(number: index + 1, text: nil, problem: "it is not UTF-8 text")
            }
            return text.allSatisfy(\.isWhitespace) ? nil : LineReader.Line(number: index + 1, text: text, problem: nil)
        }
    }
}
