/// Alters inputs at random from a seed: what a coverage-guided fuzzer does, without the guidance and the same each time.

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers for a seed on every machine.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

public struct Mutator {
    /// Words that chance does not come upon.
    public static let words: [[UInt8]] =
        [
            "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "null", "true",
            "false",
            "0", "-0", "-1", "1e400", "1e308", "1E-9", "0.1", "9007199254740993", "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616", "1.0", "\"error\":{\"code\":", "\"error_subcode\":", "\"is_transient\":true",
            "\"error_data\":",
            "\"message\":", "\"details\":", "\"id\":", "\"data\":[", "\"success\":true", "\"status\":\"CONNECTED\"",
            "\"platform_type\":\"CLOUD_API\"", "\"paging\":{\"next\":\"\",\"cursors\":{\"after\":\"x\"}}",
            "\"access_token\":",
            "\"call_count\":", "\"estimated_time_to_regain_access\":", "190", "80008", "133000", "133005", "133010",
            "131045",
            "4", "200", "506", "100", "EAAaaaaaaaaaaaaaaa", "access_token=", "code=", "waba:", "phone:1",
            "after 15 minutes",
            "\"kty\":\"oct\"", "\"kid\":", "\"k\":", "\"keys\":[", ".", "..", "=", "-", "_", "\"alg\":\"dir\"",
            "\"enc\":\"A256GCM\"",
            "\"code\":\"c\"", "\"currency\":\"USD\"", "\"pin\":\"000123\"", " ", "\t", "\r\n", "\n", "\u{FEFF}",
            "\u{202E}", "\u{2028}",
            "\u{1F600}", "e\u{301}", "\u{10FFFF}", "\u{7F}", "%", "&", "+",
        ].map { Array($0.utf8) }
        + [[0], [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3]]

    private let corpus: [[UInt8]]
    private let bytesMax: Int
    private var random: SeededGenerator

    /// - Parameter corpus: not empty.
    public init(corpus: [[UInt8]], bytesMax: Int, seed: UInt64) {
        self.corpus = corpus
        self.bytesMax = bytesMax
        random = SeededGenerator(seed: seed)
    }

    /// One of the corpus, altered in one to eight places.
    public mutating func next() -> [UInt8] {
        var input = corpus[Int.random(in: 0..<corpus.count, using: &random)]
        for _ in 0..<Int.random(in: 1...8, using: &random) { alter(&input) }
        return Array(input.prefix(bytesMax))
    }

    private mutating func alter(_ input: inout [UInt8]) {
        let place = Int.random(in: 0...input.count, using: &random)
        let end = min(input.count, place + Int.random(in: 0...16, using: &random))
        switch Int.random(in: 0..<8, using: &random) {
        case 0 where place < input.count: input[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
        case 1 where place < input.count: input[place] = UInt8.random(in: 0...255, using: &random)
        case 2: input.removeSubrange(place..<end)
        case 3: input.insert(contentsOf: Self.words[Int.random(in: 0..<Self.words.count, using: &random)], at: place)
        case 4:
            input.replaceSubrange(place..<end, with: Self.words[Int.random(in: 0..<Self.words.count, using: &random)])
        case 5:
            // The same again, up to many times: depth and length.
            let times = 1 << Int.random(in: 0...7, using: &random)
            let part = Array(input[place..<end])
            guard input.count + part.count * times <= bytesMax else { return }
            input.insert(contentsOf: repeatElement(part, count: times).joined(), at: place)
        case 6:
            let other = corpus[Int.random(in: 0..<corpus.count, using: &random)]
            let from = Int.random(in: 0...other.count, using: &random)
            input.replaceSubrange(place..., with: other[from...])
        default:
            let other = Int.random(in: 0...input.count, using: &random)
            guard place < input.count, other < input.count else { return }
            input.swapAt(place, other)
        }
    }
}
