/// What a worker counts, each handle looked up once: the hot path must not pay for names.
import CoreMetrics
import Onboarding
import SQL
import Synchronization

final class WorkerMetrics: Sendable {
    let registry: PrometheusMetrics
    private let attempts: [AttemptKey: Counter]
    private let unknownStep: Counter
    private let stale: Counter
    private let interrupted: Counter
    private let codesExpired: Counter
    private let codeSecondsLeft: Recorder
    private let inFlight: Recorder
    private let durations: [Endpoint: Timer]
    private let throttled: [String: Recorder]
    private let usage: [String: Recorder]
    private let credentialsRefused: [String: Counter]
    private let tokensEnding: Recorder
    /// By endpoint, outcome and code: codes are Graph's, and few.
    private let requests = Mutex<[RequestKey: Counter]>([:])

    private struct AttemptKey: Hashable {
        let step: Step
        let verdict: Transition.Recorded
    }

    private struct RequestKey: Hashable {
        let endpoint: Endpoint
        let outcome: String
        let code: String
    }

    static let help = [
        "embark_attempts_total": "Executions of steps, by what became of them.",
        "embark_stale_results_total": "Results that came when another worker had the job.",
        "embark_interrupted_jobs_total": "Jobs whose last worker was interrupted.",
        "embark_codes_expired_total": "Codes that died, or were spent without a token.",
        "embark_code_seconds_left": "What was left of a code's 30 seconds when its exchange began.",
        "embark_jobs_in_flight": "Jobs in this process's hands.",
        "embark_graph_requests_total": "Calls to Graph, by what became of them; the code is Graph's.",
        "embark_graph_request_duration_seconds": "How long calls to Graph took.",
        "embark_throttled_seconds": "For how long calls of this kind of scope still rest.",
        "embark_graph_usage_ratio": "How much of a limit is used, as Graph's headers said in the last minute.",
        "embark_credentials_refused_total": "Answers that refused our own credentials.",
        "embark_tokens_ending":
            "Business tokens in use that end within the days of the label, or have ended within as many.",
        "embark_build_info": "This program's version.",
        "embark_schema_version": "The newest migration that this program knows.",
    ]

    init(registry: PrometheusMetrics = PrometheusMetrics(help: WorkerMetrics.help)) {
        self.registry = registry
        func counter(_ name: String, _ dimensions: [(String, String)] = []) -> Counter {
            Counter(label: name, dimensions: dimensions, factory: registry)
        }
        attempts = Dictionary(
            uniqueKeysWithValues: Step.allCases.flatMap { step in
                Transition.Recorded.allCases.map { verdict in
                    let dimensions = [("step", step.rawValue), ("verdict", verdict.rawValue)]
                    return (AttemptKey(step: step, verdict: verdict), counter("embark_attempts_total", dimensions))
                }
            }
        )
        unknownStep = counter("embark_attempts_total", [("step", "unknown"), ("verdict", "fail")])
        stale = counter("embark_stale_results_total")
        interrupted = counter("embark_interrupted_jobs_total")
        codesExpired = counter("embark_codes_expired_total")
        codeSecondsLeft = Recorder(
            label: "embark_code_seconds_left",
            dimensions: [],
            aggregate: true,
            factory: registry
        )
        inFlight = Recorder(label: "embark_jobs_in_flight", dimensions: [], aggregate: false, factory: registry)
        func gauges(_ name: String, _ label: String) -> [String: Recorder] {
            let kinds = ["app", "system", "credit", "waba", "phone"]
            return Dictionary(
                uniqueKeysWithValues: kinds.map {
                    let dimensions = [(label, $0)]
                    return ($0, Recorder(label: name, dimensions: dimensions, aggregate: false, factory: registry))
                }
            )
        }
        throttled = gauges("embark_throttled_seconds", "scope_kind")
        usage = gauges("embark_graph_usage_ratio", "kind")
        credentialsRefused = Dictionary(
            uniqueKeysWithValues: ["app", "system"].map {
                ($0, counter("embark_credentials_refused_total", [("scope", $0)]))
            }
        )
        tokensEnding = Recorder(
            label: "embark_tokens_ending",
            dimensions: [("days", "\(Doctor.tokenDays)")],
            aggregate: false,
            factory: registry
        )
        durations = Dictionary(
            uniqueKeysWithValues: Endpoint.allCases.map { endpoint in
                let dimensions = [("endpoint", endpoint.rawValue)]
                let name = "embark_graph_request_duration_seconds"
                return (endpoint, Timer(label: name, dimensions: dimensions, factory: registry))
            }
        )
        Recorder(
            label: "embark_build_info",
            dimensions: [("version", Version.current)],
            aggregate: false,
            factory: registry
        ).record(1)
        Recorder(label: "embark_schema_version", dimensions: [], aggregate: false, factory: registry)
            .record(SQL.migrations.count)
        inFlight.record(0)
    }

    func settled(_ settlement: Settlement, moved: Bool) {
        guard moved else { return stale.increment() }
        guard let step = settlement.knownStep else { return unknownStep.increment() }
        attempts[AttemptKey(step: step, verdict: settlement.recorded)]?.increment()
        if step == .exchangeCode, case .failed(_, .customer) = settlement.next { codesExpired.increment() }
    }

    func claimed(_ row: ClaimRow) {
        if row.interrupted > 0 { interrupted.increment() }
    }

    func exchangeBegins(secondsLeft: Double) { codeSecondsLeft.record(secondsLeft) }

    func codesDied(_ count: Int) { codesExpired.increment(by: Int64(count)) }

    func throttled(_ throttle: Throttle) {
        if throttle.isCredentials { credentialsRefused[throttle.scope.kind]?.increment() }
    }

    /// What rests, and how near the limits are.
    func rests(_ board: ThrottleBoard) {
        let seconds = board.secondsByKind
        for (kind, gauge) in throttled { gauge.record(seconds[kind] ?? 0) }
        let ratios = board.usageByKind
        for (kind, gauge) in usage { gauge.record(ratios[kind] ?? 0) }
    }

    func endingTokens(_ count: Int64) { tokensEnding.record(count) }

    func holds(_ jobs: Int) { inFlight.record(jobs) }

    func called(_ endpoint: Endpoint, _ answer: GraphAnswer, took duration: Duration) {
        durations[endpoint]?.recordNanoseconds(Int64(duration / .nanoseconds(1)))
        let (outcome, code): (String, String) =
            switch answer {
            case .notSent: ("not_sent", "")
            case .effectUnknown: ("no_answer", "")
            case .answered(let response):
                switch response.content {
                case .value where (200..<300).contains(response.status): ("ok", "")
                case .value: ("unreadable", "\(response.status)")
                case .error(let error): ("error", "\(error.code)")
                case .unreadable: ("unreadable", "\(response.status)")
                }
            }
        let key = RequestKey(endpoint: endpoint, outcome: outcome, code: code)
        let counter = requests.withLock { requests in
            if let known = requests[key] { return known }
            let dimensions = [("endpoint", endpoint.rawValue), ("outcome", outcome), ("code", code)]
            let counter = Counter(label: "embark_graph_requests_total", dimensions: dimensions, factory: registry)
            requests[key] = counter
            return counter
        }
        counter.increment()
    }
}
