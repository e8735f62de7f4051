/// The lease protocol, exhaustively: its model in every reachable state, and the statements held to the model.
import Foundation
import Logging
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite struct LeaseModelTests {
    @Test func `In every reachable state the effect happened at most once and the job is not lost`() {
        let found = LeaseStates(LeaseModel.Rules(LeaseModel.Rule.allCases))
        #expect(found.counterexample == nil)
        #expect(found.hopeless.isEmpty)
        // All that the model was made for does occur in it.
        #expect(found.states.count > 10_000)
        #expect(found.states.contains { $0.endings == [.done] && $0.deaths == LeaseModel.deathsMax })
        #expect(found.states.contains { $0.endings == [.uncertain] && $0.effects == 0 })
        #expect(found.states.contains { $0.endings == [.uncertain] && $0.effects == 1 })
        let late = found.states.contains { state in
            guard case .answered(let lease) = state.workers[0].phase else { return false }
            return state.row != nil && state.row?.lease != lease
        }
        #expect(late, "no late result was tried")
    }

    @Test(arguments: LeaseModel.Rule.allCases)
    func `Without any one of its rules the effect happens twice`(rule: LeaseModel.Rule) throws {
        let rules = LeaseModel.Rules(LeaseModel.Rule.allCases).subtracting([rule])
        let counterexample = try #require(LeaseStates(rules).counterexample, "\(rule) was not missed")
        #expect(counterexample.promise == "the effect happened twice", "\(counterexample.actions)")
    }
}

/// Each statement does what the model says, in each situation that the model meets.
@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct LeaseConformanceTests {
    /// As much of a transition as the database sees of it.
    private struct Situation: Hashable {
        let row: LeaseModel.Row
        let action: LeaseModel.Action
        let worker: LeaseModel.Worker?
        /// The row behind it; nil when the step is settled.
        let result: LeaseModel.Row?
        /// Whether the worker goes on with its lease.
        let phase: LeaseModel.Phase?
        let absent: Set<Int64>
    }

    private static let situations: Set<Situation> = {
        var situations: Set<Situation> = []
        for edge in LeaseStates(LeaseModel.Rules(LeaseModel.Rule.allCases)).edges {
            guard let row = edge.from.row else { continue }
            let worker: Int?
            var absent: Set<Int64> = []
            switch edge.action {
            case .claim(let w), .permit(let w), .withdraw(let w), .putOff(let w), .settle(let w), .giveBack(let w):
                worker = w
            case .releaseAbsent:
                worker = nil
                let present = Set(edge.from.workers.filter(\.isPresent).map(\.id))
                absent = Set((1...9).filter { !present.contains($0) }.map(Int64.init))
            case .call, .callWithoutAnswer, .kill, .start, .cutOff, .reconnect, .leaseEnds, .serverCrash:
                continue
            }
            situations.insert(
                Situation(
                    row: row,
                    action: edge.action,
                    worker: worker.map { edge.from.workers[$0] },
                    result: edge.to.row,
                    phase: worker.map { edge.to.workers[$0].phase },
                    absent: absent
                )
            )
        }
        return situations
    }()

    @Test func `The statements do what the model says`() async throws {
        try await Customer.enqueue(1...1)
        let pool = Pool(try ConnectionOptions(TestDatabase.current.url, applicationName: "tests"), size: 1)
        let queue = JobQueue(pool: pool, workerID: 1, host: "test", processID: 1)
        let template = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 1, from: nil).first).job.get()
        #expect(Self.situations.count > 200)
        try await withConnection { connection in
            for situation in Self.situations {
                try await Self.write(situation.row, on: connection)
                let worker = situation.worker.map { Int64($0.id) } ?? 1
                let asWorker = JobQueue(pool: pool, workerID: worker, host: "test", processID: 1)
                let goesOn = try await Self.perform(situation, asWorker, template)
                #expect(try await Self.read(on: connection) == situation.result.map(Self.text), "\(situation)")
                if case .permit = situation.action {
                    #expect(goesOn == (situation.phase != .idle), "\(situation)")
                }
            }
        }
        await pool.close()
    }

    /// Returns whether the statement found the lease.
    private static func perform(_ situation: Situation, _ queue: JobQueue, _ job: ClaimedJob) async throws -> Bool {
        let lease = Lease(signupID: job.signupID, id: Int64(situation.worker?.phase.lease ?? 0))
        switch situation.action {
        case .claim:
            let id = Int64(situation.result?.lease ?? 0)
            let rows = try await queue.claim(lane: 0, limit: 1, leaseID: id, from: nil)
            #expect(rows.count == 1)
            #expect(try rows.first?.job.get().wasSent == situation.row.sent)
            return !rows.isEmpty
        case .permit: return try await !queue.markSent([lease]).isEmpty
        case .withdraw:
            try await queue.withdraw(.sentMark, lease: lease)
            return true
        case .putOff:
            return try await settle(.wait(Problem(code: "deadline", message: ""), seconds: 0), lease, queue, job)
        case .settle:
            if case .answered = situation.worker?.phase {
                return try await settle(.done(Facts()), lease, queue, job)
            }
            return try await settle(.uncertain(Problem(code: "no_answer", message: "")), lease, queue, job)
        case .giveBack:
            try await queue.giveBack([lease])
            return true
        case .releaseAbsent:
            _ = try await queue.release(absent: situation.absent)
            return true
        case .call, .callWithoutAnswer, .kill, .start, .cutOff, .reconnect, .leaseEnds, .serverCrash: return false
        }
    }

    private static func settle(
        _ verdict: Verdict,
        _ lease: Lease,
        _ queue: JobQueue,
        _ job: ClaimedJob
    ) async throws -> Bool {
        let transition = Transition(
            Transition.Job(step: job.step, attempt: 1, secondsUntilGiveUp: 60),
            plan: job.signup.plan,
            verdict: verdict,
            jitter: 0
        )
        let settlement = Settlement(lease: lease, job: job, seconds: 0, transition: transition, sealedToken: nil)
        return try await !queue.settle([settlement]).isEmpty
    }

    private static func write(_ row: LeaseModel.Row, on connection: Connection) async throws {
        try await connection.script(
            """
            DELETE FROM embark.jobs;
            INSERT INTO embark.jobs (signup_id, step, lane, attempt, due_at, give_up_at, lease_id, worker_id, sent)
            SELECT s.id, 'exchange_code', 0, \(row.claims), now() + interval '\(row.isDue ? -1 : 60) s',
                   now() + interval '1 hour', \(row.lease.map(String.init) ?? "NULL"),
                   \(row.worker.map(String.init) ?? "NULL"), \(row.sent)
              FROM embark.signups AS s
            """
        )
    }

    private static func read(on connection: Connection) async throws -> String? {
        try await connection.values(
            """
            SELECT concat_ws(' ', 'lease', coalesce(j.lease_id::text, '-'), 'worker', coalesce(j.worker_id::text, '-'),
                             CASE WHEN j.sent THEN 'sent' END,
                             CASE WHEN j.due_at <= clock_timestamp() THEN 'due' END)
              FROM embark.jobs AS j
             WHERE j.step = 'exchange_code'
            """,
            as: String.self
        ).first
    }

    private static func text(_ row: LeaseModel.Row) -> String {
        [
            "lease", row.lease.map(String.init) ?? "-", "worker", row.worker.map(String.init) ?? "-",
            row.sent ? "sent" : nil, row.isDue ? "due" : nil,
        ].compactMap(\.self).joined(separator: " ")
    }
}

extension LeaseModel.Phase {
    var lease: Int? {
        switch self {
        case .claimed(let lease), .permitted(let lease), .answered(let lease), .doubtful(let lease): lease
        case .idle, .dead: nil
        }
    }
}
