/// /metrics of a real worker says what the history and the ledger say.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct WorkerMetricsTests {
    @Test func `The counts of a run are those of its history and of the calls that Graph has seen`() async throws {
        let faults = #"{"subscribe_app": ["html502", "code:2"], "register_phone": ["code:133005"]}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...8, messageEvery: 2)
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url
            ) { worker in
                try await eventually("all have ended", within: .seconds(60)) { try await count("embark.jobs") == 0 }
                let metrics = try #require(try await worker.get("/metrics")?.body)
                let lines = Set(metrics.split(separator: "\n").map(String.init))
                let history = try await texts(
                    """
                    SELECT format('embark_attempts_total{step="%s",verdict="%s"} %s', step, verdict, count(*))
                      FROM embark.attempts GROUP BY step, verdict
                    """
                )
                for line in history { #expect(lines.contains(line), "\(line)") }
                let calls = try platform.ledger("request").reduce(into: [:]) { counts, request in
                    counts[request["endpoint"] ?? "?", default: 0] += 1
                }
                for (endpoint, count) in calls {
                    #expect(
                        lines.contains(
                            "embark_graph_request_duration_seconds_count{endpoint=\"\(endpoint)\"} \(count)"
                        ),
                        "\(endpoint)"
                    )
                }
                for line in [
                    #"embark_graph_requests_total{code="502",endpoint="subscribe_app",outcome="unreadable"} 1"#,
                    #"embark_graph_requests_total{code="2",endpoint="subscribe_app",outcome="error"} 1"#,
                    #"embark_graph_requests_total{code="",endpoint="exchange_code",outcome="ok"} 8"#,
                    "embark_jobs_in_flight 0", "embark_code_seconds_left_count 8", "embark_codes_expired_total 0",
                    "embark_stale_results_total 0",
                ] { #expect(lines.contains(line), "\(line)") }
            }
            #expect(result.code == 0)
        }
    }
}
