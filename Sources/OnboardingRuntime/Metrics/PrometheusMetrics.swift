/// Counts and times of a process, kept behind swift-metrics and shown in Prometheus' text format, version 0.0.4.
public import CoreMetrics
import Foundation
import Synchronization

/// A `MetricsFactory` whose metrics a scrape reads. One name is one kind of metric for ever; a second kind under the same
/// name is not counted.
public final class PrometheusMetrics: MetricsFactory {
    /// Time series that are kept. Labels come from closed sets, so more would be a mistake: they are not counted.
    static let seriesMax = 5_000
    /// Upper bounds in seconds: what a call takes, and what a job waits.
    static let secondsBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60]

    enum Kind: String { case counter, gauge, histogram }

    struct Family {
        let kind: Kind
        var series: [[Label]: Series] = [:]
    }

    struct Label: Hashable, Comparable {
        let name: String
        let value: String
        static func < (left: Label, right: Label) -> Bool { (left.name, left.value) < (right.name, right.value) }
    }

    private let families = Mutex<[String: Family]>([:])
    private let help: [String: String]

    /// - Parameter help: what each metric means, by name; one that is not listed has no HELP line.
    public init(help: [String: String] = [:]) { self.help = help }

    /// What a scrape gets, in the order of the names.
    public func text() -> String {
        let families = families.withLock { $0 }
        var lines: [String] = []
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            if let help = help[name] { lines.append("# HELP \(name) \(Self.escaped(help, quotes: false))") }
            lines.append("# TYPE \(name) \(family.kind.rawValue)")
            for (labels, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                lines += series.lines(name, labels)
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func series(_ name: String, _ dimensions: [(String, String)], _ kind: Kind) -> Series {
        let labels = dimensions.map { Label(name: Self.valid($0.0), value: $0.1) }.sorted()
        let name = Self.valid(name)
        return families.withLock { families in
            let family = families[name] ?? Family(kind: kind)
            if let known = family.series[labels], family.kind == kind { return known }
            let series = Series(kind)
            guard family.kind == kind, families.values.reduce(0, { $0 + $1.series.count }) < Self.seriesMax else {
                return series
            }
            families[name, default: family].series[labels] = series
            return series
        }
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter)
    }

    /// A recorder that aggregates is a histogram in the unit that it is given, seconds by its name; another is a gauge.
    public func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        series(label, dimensions, aggregate ? .histogram : .gauge)
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram)
    }

    // What the process needs for its whole life is never taken away.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// Letters, digits and underscores.
    private static func valid(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    static func escaped(_ text: String, quotes: Bool) -> String {
        let text = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return quotes ? text.replacing("\"", with: "\\\"") : text
    }
}

/// One time series: a number, or a histogram of them.
final class Series: CounterHandler, RecorderHandler, TimerHandler {
    private struct State {
        var value = 0.0
        /// How many values were at most each bound, and above them all; empty for a plain number.
        var buckets: [Int]
        var count = 0
    }

    private let kind: PrometheusMetrics.Kind
    private let state: Mutex<State>

    init(_ kind: PrometheusMetrics.Kind) {
        self.kind = kind
        let buckets = kind == .histogram ? PrometheusMetrics.secondsBounds.count : 0
        state = Mutex(State(buckets: Array(repeating: 0, count: buckets)))
    }

    func increment(by amount: Int64) { state.withLock { $0.value += Double(amount) } }
    func reset() { state.withLock { $0.value = 0 } }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLock { state in
            guard kind == .histogram else {
                state.value = value
                return
            }
            state.value += value
            state.count += 1
            if let place = PrometheusMetrics.secondsBounds.firstIndex(where: { value <= $0 }) {
                state.buckets[place] += 1
            }
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func lines(_ name: String, _ labels: [PrometheusMetrics.Label]) -> [String] {
        let state = state.withLock { $0 }
        guard kind == .histogram else { return ["\(name)\(Self.text(labels)) \(Self.text(state.value))"] }
        var total = 0
        var lines: [String] = []
        for (bound, count) in zip(PrometheusMetrics.secondsBounds, state.buckets) {
            total += count
            lines.append("\(name)_bucket\(Self.text(labels, le: Self.text(bound))) \(total)")
        }
        lines.append("\(name)_bucket\(Self.text(labels, le: "+Inf")) \(state.count)")
        lines.append("\(name)_sum\(Self.text(labels)) \(Self.text(state.value))")
        lines.append("\(name)_count\(Self.text(labels)) \(state.count)")
        return lines
    }

    private static func text(_ labels: [PrometheusMetrics.Label], le bound: String? = nil) -> String {
        var pairs = labels.map { "\($0.name)=\"\(PrometheusMetrics.escaped($0.value, quotes: true))\"" }
        if let bound { pairs.append("le=\"\(bound)\"") }
        return pairs.isEmpty ? "" : "{" + pairs.joined(separator: ",") + "}"
    }

    private static func text(_ value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
