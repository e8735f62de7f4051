/// How the engine stands up to what makes a queue slow: rows that wait, and dead rows that a snapshot keeps.
import Foundation
import Onboarding
import Postgres

extension Benchmark {
    // MARK: Depth and dead rows

    func backlog(_ report: inout BenchmarkReport) async throws {
        var shallow: [EngineRun] = []
        var deep: [EngineRun] = []
        for round in 0..<scale.rounds {
            progress.show("backlog", round, of: scale.rounds)
            // Until the last job: a time would also count the waiting behind it.
            try await database.fill(scale.signups, plan: Self.enginePlan)
            shallow.append(try await runEngine(workers: 1))
            try await database.fill(scale.waiting, plan: Self.enginePlan)
            deep.append(try await runEngine(workers: 1, seconds: scale.calmSeconds / 3))
            try await requireJobs("backlog")
        }
        report.add(
            "backlog",
            "behind \(scale.waiting) waiting signups",
            deep.map(\.stepsPerSecond),
            "steps/s",
            against: shallow.map(\.stepsPerSecond),
            must: .ratioAtLeast(0.9)
        )
        report.addCost("backlog", "behind them", deep.map(\.cost), a: "step")
    }

    /// A queue that ran dry was not measured.
    private func requireJobs(_ measure: String) async throws {
        guard try await database.number("SELECT count(*)::text FROM embark.jobs") > 0 || scale.rounds == 1 else {
            throw BenchmarkFailure("the queue ran dry before \(measure) had ended: this machine needs more signups")
        }
    }

    /// A snapshot held open keeps every dead row where it is.
    func snapshot(_ report: inout BenchmarkReport) async throws {
        // Enough to last to the end.
        progress.show("snapshot at full speed", 0, of: 2)
        try await database.fill(scale.waiting * 2, plan: Self.enginePlan)
        let total = scale.calmSeconds + scale.heldSeconds + scale.calmSeconds
        let holder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        async let held: Void = hold(holder)
        let run = try await runEngine(workers: 1, seconds: total)
        try await held
        await holder.close()
        try await requireJobs("snapshot")
        var before = (seconds: 0.0, steps: 0)
        for sample in run.samples where sample.seconds > before.seconds {
            let rate = Double(sample.steps - before.steps) / (sample.seconds - before.seconds)
            report.points.append(.init(seconds: sample.seconds, stepsPerSecond: rate, p50: sample.p50, p99: sample.p99))
            before = (sample.seconds, sample.steps)
        }
        let begin = scale.calmSeconds
        let end = begin + scale.heldSeconds
        report.held = begin...end
        func rate(_ range: ClosedRange<Double>) -> Double {
            BenchmarkReport.median(report.points.filter { range.contains($0.seconds) }.map(\.stepsPerSecond))
        }
        let last = max(begin, end - 10)...end
        let calm = rate(1...max(begin, 1))
        report.add(
            "snapshot",
            "the last 10 s of a snapshot held for \(Int(scale.heldSeconds)) s, against calm",
            rate(last),
            "steps/s",
            against: calm,
            must: .ratioAtLeast(0.5)
        )
        report.addCost("snapshot", "all of that time", [run.cost], a: "step")
        report.add("snapshot", "after it was closed", rate((end + 1)...(total + 1)), "steps/s")
        // What never came back within the time that was measured took all of it.
        let back = report.points.first { $0.seconds > end && $0.stepsPerSecond >= 0.8 * calm }?.seconds ?? total
        report.add("snapshot", "until 0.8 of calm was back", back - end, "s", must: .atMost(10))
        try await snapshotAtAnOfferedRate(&report)
    }

    /// What is enqueued in that time by upstream's own view, from the exchange on: is it worked off as it comes?
    private func snapshotAtAnOfferedRate(_ report: inout BenchmarkReport) async throws {
        progress.show("snapshot, \(scale.offered * Self.offeredSteps) steps a second offered", 1, of: 2)
        try await database.fill(0, plan: Self.enginePlan)
        try await database.configure(Installation(partnerMode: .techProvider, appID: "1", verifiesGrants: false))
        let lead = min(scale.calmSeconds, 5)
        let holder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        let feeder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        async let run = runEngine(workers: 1, seconds: lead + scale.heldSeconds + lead)
        // The worker starts, and works what is there; then the snapshot begins.
        _ = try await offer(for: lead, on: feeder)
        try await holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM embark.workers")
        let settledBefore = try await database.number("SELECT count(*)::text FROM embark.attempts")
        let held = try await offer(for: scale.heldSeconds, on: feeder)
        let settled = try await database.number("SELECT count(*)::text FROM embark.attempts") - settledBefore
        try await holder.script("COMMIT")
        _ = try await run
        await holder.close()
        await feeder.close()
        report.add(
            "snapshot",
            "held while steps are offered at a fixed rate",
            settled / held.seconds,
            "steps/s",
            against: Double(held.signups * Self.offeredSteps) / held.seconds,
            must: .ratioAtLeast(0.98)
        )
        report.add(
            "snapshot",
            "oldest waiting job of its last 10 s, p50",
            BenchmarkReport.median(Array(held.oldestSeconds.suffix(10))) * 1e3,
            "ms",
            must: .atMost(100)
        )
        report.add("snapshot", "oldest waiting job, max", (held.oldestSeconds.max() ?? 0) * 1e3, "ms")
    }

    private static let offeredSteps = 5

    private struct Offered {
        var signups = 0
        var seconds = 0.0
        /// The age of the oldest job that was due and in nobody's hands, once a second.
        var oldestSeconds: [Double] = []
    }

    /// Enqueues at a fixed rate, a tenth of a second's signups in one statement, and looks each second how long the oldest
    /// job has waited.
    private func offer(for seconds: Double, on feeder: Connection) async throws -> Offered {
        var offered = Offered()
        let began = ContinuousClock.now
        let batch = max(1, scale.offered / 10)
        for tick in 0..<Int(seconds * 10) {
            try await Task.sleep(until: began + .milliseconds(tick * 100), clock: .continuous)
            try await feeder.script(
                """
                INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id, flow, test_recipient)
                SELECT 'code-' || g, (102290129340000 + g)::text, (106290129340000 + g)::text, 'coexistence', '+16505551234'
                  FROM generate_series(1, \(batch)) AS g
                """
            )
            offered.signups += batch
            guard tick % 10 == 9 else { continue }
            offered.oldestSeconds.append(
                try await database.number(
                    """
                    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - j.due_at)), 0)::text FROM embark.jobs AS j
                     WHERE j.lease_id IS NULL AND j.due_at <= clock_timestamp()
                    """
                )
            )
        }
        offered.seconds = (ContinuousClock.now - began) / .seconds(1)
        return offered
    }

    private func hold(_ connection: Connection) async throws {
        try await Task.sleep(for: .seconds(scale.calmSeconds))
        try await connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM embark.workers")
        try await Task.sleep(for: .seconds(scale.heldSeconds))
        try await connection.script("COMMIT")
    }
}
