/// What was measured over time, in panels one below the other, as one SVG picture: no script, no font of its own, readable
/// on white and on black.
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

    /// One of at most two lines of a panel.
    public struct Line: Sendable {
        let name: String
        let values: [(seconds: Double, value: Double)]

        /// What is not finite is left out, and so many points in between that the picture stays small.
        public init(name: String, values: [(seconds: Double, value: Double)]) {
            self.name = name
            let finite = values.filter { $0.seconds.isFinite && $0.value.isFinite }
            let stride = max(1, (finite.count + TimePlot.pointsMax - 1) / TimePlot.pointsMax)
            self.values = finite.enumerated().filter { $0.offset.isMultiple(of: stride) }.map(\.element)
        }
    }

    /// What has one unit and so one scale.
    public struct Panel: Sendable {
        let unit: String
        let lines: [Line]

        public init(unit: String, lines: [Line]) {
            self.unit = unit
            self.lines = lines
        }
    }

    private let title: String
    private let panels: [Panel]
    private let marked: ClosedRange<Double>?
    private let mark: String

    private static let width = 900.0
    private static let left = 80.0
    private static let right = 20.0
    private static let panelHeight = 200.0
    private static let panelDistance = 260.0
    /// More would only make the file larger.
    private static let pointsMax = 600

    /// - Parameters:
    ///   - marked: seconds that are shaded, with `mark` written over them.
    public init(title: String, panels: [Panel], marked: ClosedRange<Double>? = nil, mark: String = "") {
        self.title = title
        self.panels = panels
        self.marked = marked
        self.mark = mark
    }

    /// Throughput above, latency below.
    public init(title: String, points: [Point], marked: ClosedRange<Double>?, mark: String) {
        let points = points.filter { [$0.seconds, $0.rate, $0.low, $0.high].allSatisfy(\.isFinite) }
        self.init(
            title: title,
            panels: [
                Panel(unit: "steps a second", lines: [Line(name: "", values: points.map { ($0.seconds, $0.rate) })]),
                Panel(
                    unit: "ms from step to step",
                    lines: [
                        Line(name: "p50", values: points.map { ($0.seconds, $0.low * 1e3) }),
                        Line(name: "p99", values: points.map { ($0.seconds, $0.high * 1e3) }),
                    ]
                ),
            ],
            marked: marked,
            mark: mark
        )
    }

    private static func top(_ place: Int) -> Double { 50 + Double(place) * panelDistance }
    private var height: Double { Self.top(panels.count) - 10 }

    public var svg: String {
        let end = max(panels.flatMap(\.lines).flatMap(\.values).map(\.seconds).max() ?? 1, 1)
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(height))" \
            font-family="system-ui, sans-serif" font-size="13">
            <style>:root{--ink:#1b1f24;--grid:#d8dee4;--a:#0969da;--b:#bf5af2;--mark:#9a670033}
            @media (prefers-color-scheme: dark){:root{--ink:#e6edf3;--grid:#3d444d;--a:#4493f8;--b:#d2a8ff;--mark:#d2992244}}
            text{fill:#1b1f24;fill:var(--ink)}.g{stroke:#d8dee4;stroke:var(--grid)}.a{stroke:#0969da;stroke:var(--a)}
            .b{stroke:#bf5af2;stroke:var(--b)}.l{fill:none;stroke-width:2}.m{fill:#9a670033;fill:var(--mark)}</style>
            <text x="\(Int(Self.left))" y="24" font-size="16" font-weight="600">\(Self.escaped(title))</text>
            """
        ]
        if let marked {
            for top in panels.indices.map(Self.top) {
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
        for place in panels.indices { parts += draw(place, end) }
        parts.append("<text x=\"\(Int(Self.width / 2))\" y=\"\(Int(height - 8))\">seconds</text></svg>")
        return parts.joined(separator: "\n") + "\n"
    }

    private func x(_ seconds: Double, _ end: Double) -> Double {
        Self.left + min(max(seconds / end, 0), 1) * (Self.width - Self.left - Self.right)
    }

    private func draw(_ place: Int, _ end: Double) -> [String] {
        let panel = panels[place]
        let top = Self.top(place)
        let bottom = top + Self.panelHeight
        let max = Swift.max(panel.lines.flatMap(\.values).map(\.value).max() ?? 1, 0.001)
        let step = Self.niceStep(max / 4)
        let ceiling = Swift.max((max / step).rounded(.up) * step, step)
        func y(_ value: Double) -> Double { bottom - Swift.min(Swift.max(value / ceiling, 0), 1) * Self.panelHeight }
        var parts = ["<text x=\"\(Int(Self.left))\" y=\"\(Int(top - 8))\">\(Self.escaped(panel.unit))</text>"]
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
        for (number, line) in panel.lines.enumerated() {
            let style = number == 0 ? "a" : "b"
            let path = line.values.map { "\(Self.text(x($0.seconds, end))),\(Self.text(y($0.value)))" }.joined(
                separator: " "
            )
            parts.append("<polyline class=\"l \(style)\" points=\"\(path)\"/>")
            if !line.name.isEmpty {
                let place = Self.width - Self.right - 200 + Double(number) * 110
                parts.append(
                    "<line class=\"l \(style)\" x1=\"\(Int(place))\" x2=\"\(Int(place + 18))\" "
                        + "y1=\"\(Int(top - 12))\" y2=\"\(Int(top - 12))\"/>"
                        + "<text x=\"\(Int(place + 22))\" y=\"\(Int(top - 8))\">\(Self.escaped(line.name))</text>"
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
        value >= 1_000 ? String(format: "%.3g k", value / 1_000) : String(format: "%.3g", value)
    }

    private static func text(_ value: Double) -> String { String(format: "%.1f", value) }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
