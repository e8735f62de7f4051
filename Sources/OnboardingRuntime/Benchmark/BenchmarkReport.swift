/// What a benchmark found: one line a figure, each with what it is held against.
import Foundation

public struct BenchmarkReport: Sendable {
    public struct Line: Codable, Sendable {
        public let measure: String
        public let what: String
        public let value: Double
        public let unit: String
        /// What it is compared with, in the same unit.
        public var reference: Double?
        public var ratio: Double?
        /// Such as "≥ 0.85"; nil for a figure that is only shown.
        public var bar: String?
        public var isReached: Bool?
    }

    /// Seconds since the measure began, steps a second, and how long a step waits for the next, in seconds.
    public struct Point: Codable, Sendable {
        public let seconds: Double
        public let stepsPerSecond: Double
        public let p50: Double
        public let p99: Double
    }

    public private(set) var lines: [Line] = []
    /// The held snapshot's run, for the plot.
    public var points: [Point] = []
    /// When the snapshot was held, in seconds of the same run.
    public var held: ClosedRange<Double>?
    /// What ended the run before its last measure.
    public var failure: String?

    public init() {}

    mutating func add(_ measure: String, _ what: String, _ value: Double, _ unit: String) {
        lines.append(Line(measure: measure, what: what, value: value, unit: unit))
    }

    /// A figure that must be at most so much.
    mutating func add(_ measure: String, _ what: String, _ value: Double, _ unit: String, atMost limit: Double) {
        var line = Line(measure: measure, what: what, value: value, unit: unit)
        line.bar = "≤ \(Self.text(limit))"
        line.isReached = value <= limit
        lines.append(line)
    }

    /// A figure that must be at least so much.
    mutating func add(_ measure: String, _ what: String, _ value: Double, _ unit: String, atLeast limit: Double) {
        var line = Line(measure: measure, what: what, value: value, unit: unit)
        line.bar = "≥ \(Self.text(limit))"
        line.isReached = value >= limit
        lines.append(line)
    }

    /// A figure whose ratio to another counts.
    mutating func add(
        _ measure: String,
        _ what: String,
        _ value: Double,
        _ unit: String,
        against reference: Double,
        ratioAtLeast limit: Double
    ) {
        var line = Line(measure: measure, what: what, value: value, unit: unit)
        line.reference = reference
        line.ratio = reference > 0 ? value / reference : 0
        line.bar = "ratio ≥ \(Self.text(limit))"
        line.isReached = (line.ratio ?? 0) >= limit
        lines.append(line)
    }

    public static func text(_ value: Double) -> String {
        switch abs(value) {
        case 1000...: "\(Int(value.rounded()))"
        case 100...: String(format: "%.0f", value)
        case 10...: String(format: "%.1f", value)
        case 0: "0"
        default: String(format: "%.2f", value)
        }
    }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
