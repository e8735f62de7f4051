/// The measures in which calls are made: chains of steps, and how soon a signup is picked up.
import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import Onboarding
import Postgres
import Synchronization

extension Benchmark {
    /// Five steps of one call each: exchange, subscribe, two synchronisations, message.
    private static let chainCalls = 5
    private static let callSeconds = 0.05

    private static let workerEnvironment = [
        "EMBARK_APP_SECRET": "benchmark", "EMBARK_SEALING_KEYS": KeyRing.newKeySet(id: "benchmark").revealed,
        "EMBARK_LISTEN": "127.0.0.1:0", "EMBARK_LOG_LEVEL": "warning", "EMBARK_LOG_FORMAT": "json",
    ]

    private func clear() async throws {
        try await database.fill(0, plan: Self.enginePlan)
        try await database.configure(
            Installation(partnerMode: .techProvider, appID: "1", verifiesGrants: false)
        )
    }

    private func seen(_ url: String) async throws -> FixedResponder.Seen {
        let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: url + "/seen"), timeout: .seconds(5))
        let body = try await response.body.collect(upTo: 1 << 16)
        return try JSONDecoder().decode(FixedResponder.Seen.self, from: Data(String(buffer: body).utf8))
    }

    private func enqueueChains(_ count: Int) async throws {
        try await database.connection.script(
            """
            INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id, flow, test_recipient)
            SELECT 'code-' || g, (102290129340000 + g)::text, (106290129340000 + g)::text, 'coexistence', '+16505551234'
              FROM generate_series(1, \(count)) AS g
            """,
            deadline: .seconds(120)
        )
    }

    func chain(_ report: inout BenchmarkReport) async throws {
        for (number, concurrency) in scale.chainConcurrencies.enumerated() {
            progress.show("chains of calls, concurrency \(concurrency)", number, of: scale.chainConcurrencies.count)
            var rates: [Double] = []
            var worker: [Double] = []
            var server: [Double] = []
            var responder: [Double] = []
            var memory: [Double] = []
            for _ in 0..<scale.rounds {
                try await clear()
                try await enqueueChains(scale.chains)
                let (seen, cpu, peak, serverSeconds, responderSeconds) = try await processes.with(
                    ["benchmark-responder", "--latency", "50"],
                    environment: [:]
                ) { url, _ in
                    let before = try await self.seen(url)
                    let serverBefore = database.serverCPUSeconds
                    var settings = environment(Self.workerEnvironment)
                    settings["EMBARK_GRAPH_URL"] = url
                    settings["EMBARK_CONCURRENCY"] = "\(concurrency)"
                    let run = try await processes.run(["worker", "--until-idle"], environment: settings) { _ in }
                    let serverSeconds = serverBefore.flatMap { before in database.serverCPUSeconds.map { $0 - before } }
                    let after = try await self.seen(url)
                    return (
                        after, run.cpuSeconds, run.peakResidentBytes, serverSeconds,
                        after.cpuSeconds - before.cpuSeconds
                    )
                }
                let expected = scale.chains * Self.chainCalls
                guard seen.calls == expected else {
                    throw BenchmarkFailure("\(seen.calls) calls were made instead of \(expected)")
                }
                // The last call was answered after its latency.
                let seconds = seen.last - seen.first + Self.callSeconds
                let steps = Double(expected)
                rates.append(steps / seconds)
                worker.append(cpu * 1e6 / steps)
                if let serverSeconds { server.append(serverSeconds * 1e6 / steps) }
                responder.append(responderSeconds * 1e6 / steps)
                memory.append(Double(peak) / 1_048_576)
            }
            let what = "concurrency \(concurrency)"
            switch concurrency {
            case 200:
                // The ideal is calls × 50 ms / concurrency.
                let ideal = Double(concurrency) / Self.callSeconds
                report.add("chain", what, rates, "steps/s", against: [ideal], must: .ratioAtLeast(1 / 1.15))
            case 500: report.add("chain", what, rates, "steps/s", must: .atLeast(6_500))
            case 1_000: report.add("chain", what, rates, "steps/s", must: .atLeast(9_000))
            default: report.add("chain", what, rates, "steps/s")
            }
            report.add("chain", what + ", worker CPU a step", worker, "µs")
            if !server.isEmpty {
                report.add("chain", what + ", server CPU a step", server, "µs")
            }
            report.add("chain", what + ", responder CPU a step", responder, "µs")
            let limit = concurrency == 1_000 ? BenchmarkReport.Bar.atMost(100) : nil
            report.add("chain", what + ", worker memory", memory, "MiB", must: limit)
        }
    }

    // MARK: How soon

    func pickUp(_ report: inout BenchmarkReport) async throws {
        report.add("pickup", "median fdatasync of the same minute", try Self.flushMilliseconds(), "ms")
        let idle = try await claimLatency(waiting: 0)
        report.add("pickup", "idle, commit to claim, p50", idle.percentile(0.5) * 1e3, "ms", must: .atMost(1.5))
        report.add("pickup", "idle, commit to claim, p99", idle.percentile(0.99) * 1e3, "ms", must: .atMost(4))
        progress.show("pick-up, to the wire", 1, of: 3)
        let wire = try await wireLatency()
        report.add("pickup", "idle, commit to request, p50", wire.percentile(0.5) * 1e3, "ms", must: .atMost(4))
        report.add("pickup", "idle, commit to request, p99", wire.percentile(0.99) * 1e3, "ms", must: .atMost(10))
        progress.show("pick-up behind \(scale.waiting) rows", 2, of: 3)
        let deep = try await claimLatency(waiting: scale.waiting)
        report.add(
            "pickup",
            "behind \(scale.waiting) waiting rows, commit to claim, p99",
            deep.percentile(0.99) * 1e3,
            "ms",
            must: .atMost(20)
        )
    }

    /// From the return of the enqueuing commit to the worker's hands, in this process: one clock.
    private func claimLatency(waiting: Int) async throws -> LatencyHistogram {
        try await database.fill(waiting, plan: Self.enginePlan)
        try await database.configure(
            Installation(partnerMode: .techProvider, appID: "1", verifiesGrants: false)
        )
        let claimed = Mutex<[Int64: ContinuousClock.Instant]>([:])
        let samples = Mutex(LatencyHistogram())
        try await EngineWorker.with(database.url, concurrency: 64, logger: logger) { job, lease, _ in
            if job.step == .exchangeCode {
                claimed.withLock { $0[job.signupID] = .now }
            } else if waiting > 0 {
                // The rows that wait keep every slot busy, as calls would.
                do {
                    try await Task.sleep(for: .seconds(Self.callSeconds))
                } catch {
                    return nil
                }
            }
            return EngineWorker.noOperation(job, lease)
        } while: { () async throws -> Void in
            for number in 0..<scale.pickups {
                let id = try await enqueueOne("pickup-\(waiting)-\(number)")
                let committed = ContinuousClock.now
                let limit = committed + .seconds(10)
                while claimed.withLock({ $0[id] }) == nil, .now < limit {
                    try await Task.sleep(for: .microseconds(200))
                }
                guard let instant = claimed.withLock({ $0[id] }) else {
                    throw BenchmarkFailure("signup \(id) was not picked up within 10 s")
                }
                samples.withLock { $0.record(max(0, (instant - committed) / .seconds(1))) }
                // At no fixed distance, so that the poll and the enqueuing do not fall into step.
                try await Task.sleep(for: .milliseconds(Int.random(in: 3...25)))
            }
        }
        return samples.withLock(\.self)
    }

    private func enqueueOne(_ code: String) async throws -> Int64 {
        let ids = try await database.texts(
            "SELECT embark.enqueue_signup(code => '\(code)', waba_id => '1', flow => 'api_access_only')::text"
        )
        guard let id = ids.first.flatMap(Int64.init) else { throw BenchmarkFailure("nothing was enqueued") }
        return id
    }

    /// To the request's arrival at a responder in this process.
    private func wireLatency() async throws -> LatencyHistogram {
        try await clear()
        let responder = FixedResponder(latencyMilliseconds: 1)
        let port = try await responder.listen()
        var settings = environment(Self.workerEnvironment)
        settings["EMBARK_GRAPH_URL"] = "http://127.0.0.1:\(port)"
        return try await processes.with(["worker"], environment: settings) { _, _ in
            var samples = LatencyHistogram()
            // The first ones find it still starting, and its connections to Graph not yet made.
            let warmUp = min(20, scale.pickups)
            for number in 0..<(scale.pickups + warmUp) {
                let code = "wire-\(number)"
                _ = try await enqueueOne(code)
                let committed = ContinuousClock.now
                let limit = committed + .seconds(20)
                while responder.arrival(of: code) == nil, .now < limit { try await Task.sleep(for: .microseconds(200)) }
                guard let instant = responder.arrival(of: code) else {
                    throw BenchmarkFailure("the request for \(code) did not come within 20 s")
                }
                if number >= warmUp { samples.record(max(0, (instant - committed) / .seconds(1))) }
                try await Task.sleep(for: .milliseconds(Int.random(in: 3...25)))
            }
            return samples
        }
    }

    /// What one commit has to wait for on this disk.
    private static func flushMilliseconds() throws -> Double {
        let path = FileManager.default.temporaryDirectory.appending(path: "embark-flush-\(getpid())").path
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        guard file >= 0 else { throw BenchmarkFailure("no file could be made in \(path)") }
        defer {
            close(file)
            unlink(path)
        }
        let page = [UInt8](repeating: 1, count: 8192)
        var times: [Double] = []
        for _ in 0..<50 {
            let began = ContinuousClock.now
            _ = page.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            fdatasync(file)
            times.append((ContinuousClock.now - began) / .milliseconds(1))
        }
        return BenchmarkReport.median(times)
    }

    // MARK: A process

    func process(_ report: inout BenchmarkReport) async throws {
        var memory: [Double] = []
        var starts: [Double] = []
        for _ in 0..<scale.rounds {
            try await clear()
            try await enqueueChains(min(scale.chains, 300))
            let responder = FixedResponder(latencyMilliseconds: 50)
            let port = try await responder.listen()
            var settings = environment(Self.workerEnvironment)
            settings["EMBARK_GRAPH_URL"] = "http://127.0.0.1:\(port)"
            settings["EMBARK_CONCURRENCY"] = "64"
            let began = ContinuousClock.now
            let run = try await processes.run(["worker", "--until-idle"], environment: settings) { _ in }
            memory.append(Double(run.peakResidentBytes) / 1_048_576)
            let first = (1...min(scale.chains, 300)).compactMap { responder.arrival(of: "code-\($0)") }.min()
            if let first { starts.append((first - began) / .milliseconds(1)) }
        }
        report.add("process", "start to the first request", starts, "ms", must: .atMost(200))
        report.add("process", "memory at concurrency 64", memory, "MiB", must: .atMost(50))
    }

    // MARK: Enqueuing

    func enqueue(_ report: inout BenchmarkReport) async throws {
        var function = Loads()
        var bare = Loads()
        var view = Loads()
        var tables = Loads()
        try await clear()
        for round in 0..<scale.rounds {
            progress.show("enqueue", round, of: scale.rounds)
            function.add(try await pgbench(Self.enqueueScript(round), transactions: scale.enqueued))
            bare.add(try await pgbench(Self.bareScript, transactions: scale.enqueued))
            try await clear()
            view.add(try await copy(Self.viewCopy(scale.copied, round)))
            try await clear()
            tables.add(try await copy(Self.tableCopies(scale.copied)))
            try await clear()
        }
        report.add(
            "enqueue",
            "by function, one a commit, against three bare INSERTs",
            function.rates,
            "signups/s",
            against: bare.rates,
            must: .ratioAtLeast(0.7)
        )
        report.addCost("enqueue", "by function", function.costs, a: "signup")
        report.addCost("enqueue", "by three bare INSERTs", bare.costs, a: "signup")
        report.add(
            "enqueue",
            "by COPY into the view, against a COPY into three tables",
            view.rates,
            "signups/s",
            against: tables.rates,
            must: .ratioAtLeast(0.3)
        )
        report.addCost("enqueue", "by COPY into the view", view.costs, a: "signup")
        report.addCost("enqueue", "by COPY into three tables", tables.costs, a: "signup")
    }

    /// Signups a second, and what one cost, a round.
    private struct Loads {
        var rates: [Double] = []
        var costs: [BenchmarkReport.Cost] = []
        mutating func add(_ load: (rate: Double, cost: BenchmarkReport.Cost)) {
            rates.append(load.rate)
            costs.append(load.cost)
        }
    }

    private static let code = String(repeating: "k", count: 160)

    private static func enqueueScript(_ round: Int) -> String {
        """
        \\set n random(1, 1000000000000)
        SELECT embark.enqueue_signup(code => '\(code)', waba_id => :n::text, phone_number_id => :n::text, flow => 'coexistence', external_id => '\(round)-' || :client_id || '-' || :n);
        """
    }

    /// The same three rows, by whoever needs no rules.
    private static let bareScript = """
        \\set n random(1, 1000000000000)
        BEGIN;
        INSERT INTO embark.signups (external_id, flow, plan, waba_id, phone_number_id, code_issued_at, metadata) VALUES ('b-' || :client_id || '-' || :n, 'coexistence', '{exchange_code,subscribe_app,sync_contacts,sync_history}', :n::text, :n::text, now(), '{}') RETURNING id \\gset
        INSERT INTO embark.secrets (signup_id, code, content_sha256) VALUES (:id, '\(code)', '\\x00');
        INSERT INTO embark.jobs (signup_id, step, lane, due_at, give_up_at) VALUES (:id, 'exchange_code', 0, now(), now());
        COMMIT;

        """

    private func pgbench(
        _ script: String,
        transactions: Int
    ) async throws -> (rate: Double, cost: BenchmarkReport.Cost) {
        let file = FileManager.default.temporaryDirectory.appending(path: "embark-enqueue-\(getpid()).sql")
        try script.write(to: file, atomically: true, encoding: .utf8)
        let arguments = [
            "-n", "-M", "prepared", "-c", "4", "-j", "2", "-t", "\(transactions / 4)", "-f", file.path,
        ]
        let environment = try database.environment()
        var said = ""
        let cost = try await database.cost {
            said = try await processes.program("pgbench", arguments, environment: environment, input: "")
            return Double(transactions)
        }
        try FileManager.default.removeItem(at: file)
        guard let match = said.firstMatch(of: /tps = ([0-9.]+)/), let rate = Double(match.output.1) else {
            throw BenchmarkFailure("pgbench did not say how fast it was: \(said.prefix(200))")
        }
        return (rate, cost)
    }

    private static func viewCopy(_ count: Int, _ round: Int) -> (String, [String]) {
        let rows = (1...count).map { "\(code)\t\($0)\t\($0)\tcoexistence\tc-\(round)-\($0)" }
        return ("COPY embark.signup_inbox (code, waba_id, phone_number_id, flow, external_id) FROM STDIN", rows)
    }

    private func copy(_ copy: (String, [String])) async throws -> (rate: Double, cost: BenchmarkReport.Cost) {
        let rows = Double(scale.copied)
        let end = copy.0.hasPrefix("BEGIN") ? "COMMIT;\n" : ""
        let input = copy.0 + ";\n" + copy.1.joined(separator: "\n") + "\n\\.\n" + end
        let began = ContinuousClock.now
        let cost = try await database.cost {
            _ = try await processes.program(
                "psql",
                ["-qX", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                environment: database.environment(),
                input: input
            )
            return rows
        }
        return (rows / ((ContinuousClock.now - began) / .seconds(1)), cost)
    }

    /// One transaction with three COPYs of the rows that the view makes.
    private static func tableCopies(_ count: Int) -> (String, [String]) {
        let now = "2026-01-01 00:00:00+00"
        let plan = "{exchange_code,subscribe_app,sync_contacts,sync_history}"
        var rows = (1...count).map { "\($0)\tc-\($0)\tcoexistence\t\(plan)\t\($0)\t\($0)\t\(now)" }
        rows.append("\\.")
        rows.append("COPY embark.secrets (signup_id, code, content_sha256) FROM STDIN;")
        rows += (1...count).map { "\($0)\t\(code)\t\\\\x\(String(repeating: "00", count: 32))" }
        rows.append("\\.")
        rows.append("COPY embark.jobs (signup_id, step, lane, due_at, give_up_at) FROM STDIN;")
        rows += (1...count).map { "\($0)\texchange_code\t0\t\(now)\t\(now)" }
        return (
            "BEGIN;\nCOPY embark.signups (id, external_id, flow, plan, waba_id, phone_number_id, code_issued_at) FROM STDIN",
            rows
        )
    }
}

/// A measure that could not be taken.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
