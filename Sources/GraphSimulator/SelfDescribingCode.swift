/// A code that says itself what it grants, so that SQL alone can drive a demonstration: `WABA.PHONE.BUSINESS.anything`.
///
/// The simulator grants such a code although it never minted it. `anything` keeps codes for the same assets apart, and says
/// three things when it ends so: `expired`, a dead code; `pin424242`, a number that already has this PIN; `ends1795000000`, a
/// token that ends at that time, in seconds since 1970.
public struct SelfDescribingCode: Sendable, Equatable {
    /// Ids as Graph has them: 1 to 32 ASCII digits.
    public let wabaID: String
    public let phoneNumberID: String
    public let businessID: String
    public let isExpired: Bool
    /// The PIN that the number has already.
    public let pin: String?
    /// When its token ends, in seconds since 1970; nil for never.
    public let tokenEnd: Int?

    /// Reads a code; nil for one of any other form.
    public init?(_ code: String) {
        let parts = code.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, parts[..<3].allSatisfy(Self.isID), !parts[3].isEmpty else { return nil }
        wabaID = parts[0]
        phoneNumberID = parts[1]
        businessID = parts[2]
        isExpired = parts[3].hasSuffix("expired")
        pin = parts[3].firstMatch(of: /pin([0-9]{6})$/).map { String($0.1) }
        tokenEnd = parts[3].firstMatch(of: /ends([0-9]{1,12})$/).flatMap { Int($0.1) }
    }

    private static func isID(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
