/// What a benchmark found: one line a figure, each with what it is held against.
import Foundation

public struct BenchmarkReport: Sendable {
    public struct Line: Codable, Sendable {
        public let measure: String
        public let what: String
        public let value: Double
        public let unit: String
        /// What it is the median of, in the order in which the rounds were run.
        public let rounds: [Double]
        /// What it is compared with, in the same unit.
        public var reference: Double?
        public var referenceRounds: [Double]?
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

    /// PostgreSQL's version, as it says it.
    public var server = ""
    public private(set) var lines: [Line] = []
    /// The held snapshot's run, for the plot.
    public var points: [Point] = []
    /// When the snapshot was held, in seconds of the same run.
    public var held: ClosedRange<Double>?
    /// What ended the run before its last measure.
    public var failure: String?

    public init() {}

    /// What a figure must be.
    enum Bar {
        case atMost(Double)
        case atLeast(Double)
        /// Its ratio to what it is compared with.
        case ratioAtLeast(Double)
    }

    /// A figure: the median of its rounds, against that of another's.
    mutating func add(
        _ measure: String,
        _ what: String,
        _ rounds: [Double],
        _ unit: String,
        against reference: [Double]? = nil,
        must bar: Bar? = nil
    ) {
        var line = Line(measure: measure, what: what, value: Self.median(rounds), unit: unit, rounds: rounds)
        if let reference {
            line.reference = Self.median(reference)
            line.referenceRounds = reference
            line.ratio = line.reference.map { $0 > 0 ? line.value / $0 : 0 }
        }
        switch bar {
        case nil: break
        case .atMost(let limit):
            line.bar = "≤ \(Self.text(limit))"
            line.isReached = line.value <= limit
        case .atLeast(let limit):
            line.bar = "≥ \(Self.text(limit))"
            line.isReached = line.value >= limit
        case .ratioAtLeast(let limit):
            line.bar = "ratio ≥ \(Self.text(limit))"
            line.isReached = (line.ratio ?? 0) >= limit
        }
        lines.append(line)
    }

    /// A figure that was taken once.
    mutating func add(
        _ measure: String,
        _ what: String,
        _ value: Double,
        _ unit: String,
        against reference: Double? = nil,
        must bar: Bar? = nil
    ) {
        add(measure, what, [value], unit, against: reference.map { [$0] }, must: bar)
    }

    /// What a unit of work cost, where it could be told: CPU only of a server on the same machine.
    mutating func addCost(_ measure: String, _ what: String, _ costs: [Cost], a unit: String) {
        let cpu = costs.compactMap(\.serverMicroseconds)
        if cpu.count == costs.count { add(measure, "\(what), server CPU a \(unit)", cpu, "µs") }
        add(measure, "\(what), WAL a \(unit)", costs.map(\.walBytes), "bytes")
    }

    /// What the server spent on one unit of work.
    struct Cost: Sendable {
        var serverMicroseconds: Double?
        var walBytes: Double
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
