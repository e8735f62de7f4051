/// The end of a run, read off the database and the ledger.
import Foundation
import Invariants
import Postgres
import Support

extension Stage {
    /// What a run must keep of calm throughput while workers are killed, and how many of its signups must complete by
    /// themselves.
    private static let keptMin = 0.7
    private static let completedMin = 0.85

    func judge() async throws -> ChaosReport {
        try ResourceReport(resources.samples, isSoak: plan.isSoak).csv.write(
            toFile: world.directory + "/resources.csv",
            atomically: true,
            encoding: .utf8
        )
        say("reading the database and the ledger")
        var facts = try await admin.run(Self.facts(), deadline: .seconds(300))[0].facts
        facts.reasons = try await admin.run(Self.reasons(), deadline: .seconds(60)).map { ($0.reason, $0.count) }
        facts.calls = tally.count(Self.calls)
        facts.spoiledCalls = tally.count(Self.spoiledCalls)
        var broken: [String] = []
        let known = Int(try await admin.run(Self.known(Int64(load.acknowledged)), deadline: .seconds(60))[0].value)
        if known != load.acknowledged {
            broken.append(
                "1 no signup is lost: \(load.acknowledged) signups were acknowledged to their upstream, \(known) are there"
            )
        }
        broken += fleet.faults
        do {
            broken += try await checker.broken { check, time in
                if time > .seconds(5) { say("check \(check) took \(time)") }
            }.map(\.description)
        } catch {
            // What was measured is worth a report all the same.
            broken.append("nothing can be said about the invariants: \(error)")
        }
        return ChaosReport(
            plan: plan,
            facts: facts,
            measured: measured.all,
            tally: tally,
            broken: broken,
            shortfalls: shortfalls(facts),
            resources: ResourceReport(resources.samples, isSoak: plan.isSoak),
            directory: world.directory
        )
    }

    private func shortfalls(_ facts: ChaosReport.Facts) -> [String] {
        var shortfalls = ResourceReport(resources.samples, isSoak: plan.isSoak).shortfalls
        func require(_ isReached: Bool, _ text: String) { if !isReached { shortfalls.append(text) } }
        require(facts.steps >= plan.goal.steps, "\(facts.steps) steps of \(plan.goal.steps)")
        for (name, goal) in [("kills", plan.goal.kills), ("crashes", plan.goal.crashes)] {
            require(tally.count(name) >= goal, "\(tally.count(name)) \(name) of \(goal)")
        }
        for trouble in plan.troubles where trouble != .graph && trouble != .operators {
            require(tally.count(trouble.tallied) > 0, "\(trouble.rawValue) has never struck")
        }
        let completed = Double(facts.completedAlone) / Double(max(facts.signups, 1))
        require(
            completed >= Self.completedMin,
            String(format: "%.1f %% of the signups completed by themselves, 85 %% must", completed * 100)
        )
        // One round on a shared machine is shown and not judged.
        if plan.comparisons > 1, let kept = ChaosReport.keptUnderKills(measured.all) {
            require(kept > Self.keptMin, String(format: "%.2f of calm throughput under kills, 0.70 must be kept", kept))
        }
        return shortfalls
    }

    private static let known = Statement<Single<Int64>, Int64>(
        "chaos_known",
        "SELECT count(*) FROM generate_series(1, $1) AS n JOIN embark.signups AS s ON s.external_id = 'chaos-' || n"
    )
    private static let reasons = Statement<ReasonRow>(
        "chaos_reasons",
        """
        SELECT concat_ws(' ', failed_step, error_code, waiting_on), count(*) FROM embark.signups
         WHERE state = 'failed' GROUP BY 1 ORDER BY 2 DESC, 1
        """
    )
    private static let facts = Statement<FactsRow>(
        "chaos_facts",
        """
        SELECT count(*), count(*) FILTER (WHERE state = 'completed' AND generation = 1),
               count(*) FILTER (WHERE state = 'completed'), count(*) FILTER (WHERE state = 'failed'),
               count(*) FILTER (WHERE state = 'running'),
               (SELECT count(*) FROM embark.attempts WHERE verdict = 'done'), (SELECT count(*) FROM embark.attempts)
          FROM embark.signups
        """
    )
}

private struct ReasonRow: RowDecodable {
    let reason: String
    let count: Int

    static let columnTypes: [PostgresType] = [.text, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        reason = try row.next()
        let number: Int64 = try row.next()
        count = Int(number)
    }
}

private struct FactsRow: RowDecodable {
    let facts: ChaosReport.Facts

    static let columnTypes: [PostgresType] = Array(repeating: .int8, count: 7)

    init(_ row: inout RowReader) throws(PostgresError) {
        var facts = ChaosReport.Facts()
        func next(_ row: inout RowReader) throws(PostgresError) -> Int {
            let number: Int64 = try row.next()
            return Int(number)
        }
        facts.signups = try next(&row)
        facts.completedAlone = try next(&row)
        facts.completed = try next(&row)
        facts.failed = try next(&row)
        facts.running = try next(&row)
        facts.steps = try next(&row)
        facts.attempts = try next(&row)
        self.facts = facts
    }
}
