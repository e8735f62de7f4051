/// Times in buckets that grow with them: percentiles of any number of samples in a fixed amount of memory.

public struct LatencyHistogram: Sendable {
    /// Buckets a doubling: an error of at most 1 %.
    private static let subBuckets = 64
    /// From 1 µs on, 36 doublings: more than a day.
    private static let doublings = 36
    private static let smallest = 1e-6

    private var buckets = [Int](repeating: 0, count: doublings * subBuckets + 1)
    public private(set) var count = 0
    public private(set) var max = 0.0

    public init() {}

    public mutating func record(_ seconds: Double) {
        count += 1
        max = Swift.max(max, seconds)
        buckets[Self.bucket(of: seconds)] += 1
    }

    public mutating func merge(_ other: LatencyHistogram) {
        count += other.count
        max = Swift.max(max, other.max)
        for (index, value) in other.buckets.enumerated() { buckets[index] += value }
    }

    /// In seconds; 0 without samples.
    ///
    /// - Parameter share: 0 to 1, such as 0.99.
    public func percentile(_ share: Double) -> Double {
        guard count > 0 else { return 0 }
        let rank = Swift.max(1, Int((share * Double(count)).rounded(.up)))
        var seen = 0
        for (index, value) in buckets.enumerated() {
            seen += value
            if seen >= rank { return Swift.min(Self.middle(of: index), max) }
        }
        return max
    }

    private static func bucket(of seconds: Double) -> Int {
        guard seconds > smallest else { return 0 }
        guard seconds.isFinite else { return doublings * subBuckets }
        let ratio = seconds / smallest
        let exponent = Swift.min(Int(ratio.exponent), doublings - 1)
        let fraction = ratio.significand - 1
        return exponent * subBuckets + Swift.min(Int(fraction * Double(subBuckets)), subBuckets - 1) + 1
    }

    private static func middle(of bucket: Int) -> Double {
        guard bucket > 0 else { return smallest }
        let (exponent, part) = ((bucket - 1) / subBuckets, (bucket - 1) % subBuckets)
        let base = smallest * Double(sign: .plus, exponent: exponent, significand: 1)
        return base * (1 + (Double(part) + 0.5) / Double(subBuckets))
    }
}
