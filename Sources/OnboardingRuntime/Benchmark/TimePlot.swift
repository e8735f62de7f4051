/// Throughput and latency over time as one SVG picture: no script, no font of its own, readable on white and on black.
import Foundation

public struct TimePlot: Sendable {
    public struct Point: Sendable {
        public let seconds: Double
        public let rate: Double
        /// Latencies in seconds.
        public let low: Double
        public let high: Double

        public init(seconds: Double, rate: Double, low: Double, high: Double) {
            self.seconds = seconds
            self.rate = rate
            self.low = low
            self.high = high
        }
    }

    private let title: String
    private let points: [Point]
    private let marked: ClosedRange<Double>?
    private let mark: String

    private static let width = 900.0
    private static let left = 80.0
    private static let right = 20.0
    private static let panelHeight = 200.0
    private static let tops = [50.0, 310.0]
    private static let height = 560.0
    /// More would only make the file larger.
    private static let pointsMax = 600

    public init(title: String, points: [Point], marked: ClosedRange<Double>?, mark: String) {
        self.title = title
        let finite = points.filter { [$0.seconds, $0.rate, $0.low, $0.high].allSatisfy(\.isFinite) }
        let stride = max(1, (finite.count + Self.pointsMax - 1) / Self.pointsMax)
        self.points = finite.enumerated().filter { $0.offset.isMultiple(of: stride) }.map(\.element)
        self.marked = marked
        self.mark = mark
    }

    public var svg: String {
        let end = max(points.map(\.seconds).max() ?? 1, 1)
        let rateMax = max(points.map(\.rate).max() ?? 1, 1)
        let latencyMax = max((points.map(\.high).max() ?? 0) * 1e3, 0.001)
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            font-family="system-ui, sans-serif" font-size="13">
            <style>:root{--ink:#1b1f24;--grid:#d8dee4;--a:#0969da;--b:#bf5af2;--mark:#9a670033}
            @media (prefers-color-scheme: dark){:root{--ink:#e6edf3;--grid:#3d444d;--a:#4493f8;--b:#d2a8ff;--mark:#d2992244}}
            text{fill:var(--ink)}.g{stroke:var(--grid)}.a{stroke:var(--a)}.b{stroke:var(--b)}
            .l{fill:none;stroke-width:2}.m{fill:var(--mark)}</style>
            <text x="\(Int(Self.left))" y="24" font-size="16" font-weight="600">\(Self.escaped(title))</text>
            """
        ]
        if let marked {
            for top in Self.tops {
                let from = x(marked.lowerBound, end)
                parts.append(
                    "<rect class=\"m\" x=\"\(Self.text(from))\" y=\"\(Int(top))\" "
                        + "width=\"\(Self.text(x(marked.upperBound, end) - from))\" height=\"\(Int(Self.panelHeight))\"/>"
                )
            }
            parts.append(
                "<text x=\"\(Self.text(x(marked.lowerBound, end) + 6))\" y=\"66\">\(Self.escaped(mark))</text>"
            )
        }
        parts += panel(0, "steps a second", rateMax, end, [("a", "", points.map { ($0.seconds, $0.rate) })])
        parts += panel(
            1,
            "ms from step to step",
            latencyMax,
            end,
            [
                ("a", "p50", points.map { ($0.seconds, $0.low * 1e3) }),
                ("b", "p99", points.map { ($0.seconds, $0.high * 1e3) }),
            ]
        )
        parts.append("<text x=\"\(Int(Self.width / 2))\" y=\"\(Int(Self.height - 8))\">seconds</text></svg>")
        return parts.joined(separator: "\n") + "\n"
    }

    private func x(_ seconds: Double, _ end: Double) -> Double {
        Self.left + min(max(seconds / end, 0), 1) * (Self.width - Self.left - Self.right)
    }

    private func panel(
        _ place: Int,
        _ unit: String,
        _ max: Double,
        _ end: Double,
        _ lines: [(style: String, name: String, values: [(Double, Double)])]
    ) -> [String] {
        let top = Self.tops[place]
        let bottom = top + Self.panelHeight
        let step = Self.niceStep(max / 4)
        let ceiling = Swift.max((max / step).rounded(.up) * step, step)
        func y(_ value: Double) -> Double { bottom - Swift.min(Swift.max(value / ceiling, 0), 1) * Self.panelHeight }
        var parts = ["<text x=\"\(Int(Self.left))\" y=\"\(Int(top - 8))\">\(unit)</text>"]
        for tick in stride(from: 0, through: ceiling + step / 2, by: step) {
            parts.append(
                "<line class=\"g\" x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width - Self.right))\" "
                    + "y1=\"\(Self.text(y(tick)))\" y2=\"\(Self.text(y(tick)))\"/>"
                    + "<text x=\"\(Int(Self.left - 8))\" y=\"\(Self.text(y(tick) + 4))\" text-anchor=\"end\">"
                    + "\(Self.label(tick))</text>"
            )
        }
        for tick in stride(from: 0, through: end, by: Self.niceStep(end / 8)) {
            parts.append(
                "<text x=\"\(Self.text(x(tick, end)))\" y=\"\(Int(bottom + 18))\" text-anchor=\"middle\">"
                    + "\(Self.label(tick))</text>"
            )
        }
        for (number, line) in lines.enumerated() {
            let path = line.values.map { "\(Self.text(x($0.0, end))),\(Self.text(y($0.1)))" }.joined(separator: " ")
            parts.append("<polyline class=\"l \(line.style)\" points=\"\(path)\"/>")
            if !line.name.isEmpty {
                let place = Self.width - Self.right - 110 + Double(number) * 60
                parts.append(
                    "<line class=\"l \(line.style)\" x1=\"\(Int(place))\" x2=\"\(Int(place + 18))\" "
                        + "y1=\"\(Int(top - 12))\" y2=\"\(Int(top - 12))\"/>"
                        + "<text x=\"\(Int(place + 22))\" y=\"\(Int(top - 8))\">\(line.name)</text>"
                )
            }
        }
        return parts
    }

    /// 1, 2 or 5 times a power of ten.
    static func niceStep(_ rough: Double) -> Double {
        guard rough > 0, rough.isFinite else { return 1 }
        let power = pow(10, log10(rough).rounded(.down))
        return ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10) * power
    }

    private static func label(_ value: Double) -> String {
        value >= 1_000
            ? "\(Int(value / 1_000)) k" : value == value.rounded() ? "\(Int(value))" : String(format: "%.3g", value)
    }

    private static func text(_ value: Double) -> String { String(format: "%.1f", value) }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
