/// What Prometheus reads: the text format to the letter.
import CoreMetrics
import Testing

@testable import OnboardingRuntime

@Suite struct PrometheusMetricsTests {
    @Test func `Counters, gauges and histograms are shown as the format has them`() {
        let metrics = PrometheusMetrics(help: ["calls_total": "Calls.\nAnd \\ more."])
        let calls = Counter(label: "calls_total", dimensions: [("b", "2"), ("a", "x\"\\\n")], factory: metrics)
        calls.increment(by: 3)
        Counter(label: "calls_total", dimensions: [("a", "1")], factory: metrics).increment()
        Recorder(label: "in_flight", dimensions: [], aggregate: false, factory: metrics).record(1.5)
        let timer = Timer(label: "took_seconds", dimensions: [("step", "s")], factory: metrics)
        timer.recordNanoseconds(5_000_000)
        timer.recordNanoseconds(80_000_000)
        timer.recordSeconds(100)
        let text = metrics.text()
        #expect(
            text.hasPrefix(
                #"""
                # HELP calls_total Calls.\nAnd \\ more.
                # TYPE calls_total counter
                calls_total{a="1"} 1
                calls_total{a="x\"\\\n",b="2"} 3
                # TYPE in_flight gauge
                in_flight 1.5
                # TYPE took_seconds histogram
                took_seconds_bucket{step="s",le="0.005"} 1
                took_seconds_bucket{step="s",le="0.01"} 1
                took_seconds_bucket{step="s",le="0.025"} 1
                took_seconds_bucket{step="s",le="0.05"} 1
                took_seconds_bucket{step="s",le="0.1"} 2

                """#
            ),
            "\(text)"
        )
        #expect(
            text.hasSuffix(
                #"""
                took_seconds_bucket{step="s",le="60"} 2
                took_seconds_bucket{step="s",le="+Inf"} 3
                took_seconds_sum{step="s"} 100.085
                took_seconds_count{step="s"} 3

                """#
            ),
            "\(text)"
        )
    }

    @Test func `A name has one kind, and the number of series has a bound`() {
        let metrics = PrometheusMetrics()
        Counter(label: "a", dimensions: [], factory: metrics).increment()
        Recorder(label: "a", dimensions: [], aggregate: false, factory: metrics).record(7)
        #expect(metrics.text() == "# TYPE a counter\na 1\n")
        for n in 0..<(PrometheusMetrics.seriesMax + 10) {
            Counter(label: "b", dimensions: [("n", "\(n)")], factory: metrics).increment()
        }
        #expect(metrics.text().split(separator: "\n").count { $0.hasPrefix("b{") } == PrometheusMetrics.seriesMax - 1)
    }
}
