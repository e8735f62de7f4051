/// Texts in the form that C takes and gives.

/// Calls `body` with the addresses of the texts and a null pointer after them. A missing text is a null pointer.
func withPointers<Result>(
    to texts: [[UInt8]?],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    // One block, so that all addresses are valid together; never empty, so that an empty text has an address.
    var block: [UInt8] = []
    block.reserveCapacity(texts.reduce(1) { $0 + ($1?.count ?? 0) })
    for text in texts { block += text ?? [] }
    block.append(0)
    return block.withUnsafeBytes { block in
        var rest = block.assumingMemoryBound(to: CChar.self)[...]
        var pointers = texts.map { text -> UnsafePointer<CChar>? in
            guard let text else { return nil }
            defer { rest = rest.dropFirst(text.count) }
            return UnsafeBufferPointer(rebasing: rest).baseAddress
        }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { pointers in
            guard let base = pointers.baseAddress else { preconditionFailure("the list has at least its end") }
            return body(base)
        }
    }
}

extension String {
    var nullTerminated: [UInt8] { utf8 + [0] }

    /// On one line: libpq's messages end with a newline and may have several lines, some of them indented.
    var onOneLine: String {
        split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.joined(separator: "; ")
    }
}
