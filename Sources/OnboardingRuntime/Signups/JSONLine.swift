/// Looks at a line before PostgreSQL does: of JSON that it refuses it writes into its log all that stands before the fault,
/// which can be a code that still works.
import Foundation

package enum JSONLine {
    /// JSONSerialization's own limit is 512; no signup needs more than a few.
    static let depthMax = 500

    /// Why it is no JSON for PostgreSQL; nil where it is. Stricter than JSONSerialization, which takes a comma behind the last
    /// member, a byte order mark and an escaped NUL.
    package static func problem(_ text: String) -> String? {
        let notJSON = "it is not a JSON object"
        // It cannot be sent at all, and is refused by name where it would be.
        if text.utf8.contains(0) { return nil }
        var depth = 0
        var last = UInt8(ascii: " ")
        var rest = Array(text.utf8)[...]
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { return notJSON }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                guard skipString(&rest) else { return notJSON }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                if depth > depthMax { return "it is nested too deeply or too large" }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if last == UInt8(ascii: ",") { return notJSON }
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): continue
            default: break
            }
            last = byte
        }
        do {
            _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        } catch {
            return notJSON
        }
        return nil
    }

    /// Up to behind its end; false for one without an end, or with a NUL in it.
    private static func skipString(_ rest: inout ArraySlice<UInt8>) -> Bool {
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return true }
            guard byte == UInt8(ascii: "\\") else { continue }
            if rest.starts(with: Array("u0000".utf8)) { return false }
            rest = rest.dropFirst()
        }
        return false
    }
}
