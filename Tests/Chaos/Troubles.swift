/// Faults let loose: each in a task of its own, with dice of its own, until it is cancelled.
import Foundation
import GraphSimulator
import Invariants
import Postgres
import Support
import Synchronization

/// How often each has struck.
final class Tally: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func add(_ name: String, _ count: Int = 1) { counts.withLock { $0[name, default: 0] += count } }
    func count(_ name: String) -> Int { counts.withLock { $0[name] ?? 0 } }
    var all: [String: Int] { counts.withLock(\.self) }
}

extension Tally: CustomStringConvertible {
    var description: String {
        all.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}

struct Troubles: Sendable {
    let world: World
    let fleet: Fleet
    let plan: ChaosPlan
    let tally: Tally
    let checker: InvariantChecker
    /// The superuser's.
    let admin: Pool
    let upstream: Pool

    /// At every endpoint, together about a tenth of all calls. What holds a slot until its deadline is rare, and so are
    /// limits: of accounts, for minutes, and seldom of the credit line, because everything would wait for it.
    static let graphFaults = """
        {"*": {"http500": 0.018, "html502": 0.018, "reset_before": 0.014, "reset_after": 0.014, "transient": 0.012,
               "code:2": 0.010, "code:131000": 0.008, "bad_json": 0.006, "truncated": 0.004, "malformed": 0.002,
               "wrong_length": 0.001, "deep_json": 0.001, "long_header": 0.0005, "huge": 0.00002, "nul": 0.001,
               "lone_surrogate": 0.001, "huge_number": 0.001, "silent_before": 0.0003, "silent_after": 0.0003,
               "slow": 0.0002},
         "phone_numbers": {"usage:100:1": 0.006, "code:80007": 0.002},
         "subscribe_app": {"usage:100:1": 0.006, "code:80007": 0.002},
         "list_allocations": {"usage_raw:{\\"0\\":[{\\"estimated_time_to_regain_access\\":0.05}]}": 0.0002},
         "register_phone": {"code:133016": 0.0002}}
        """

    static let silenceSecondsMax = 25.0

    /// Until a worker that was cut off has its connections again, and what it has missed.
    private static let wakingSeconds = 5.0

    func run(_ trouble: Trouble) async throws {
        var dice = SeededGenerator(seed: plan.seed &+ UInt64(Trouble.allCases.firstIndex(of: trouble) ?? 0) &* 7919)
        switch trouble {
        case .kill: await kill(&dice)
        case .zombie: await stop(&dice)
        case .drain: await drain(&dice)
        case .crash: try await crash(&dice)
        case .cut: await cut(&dice)
        case .network: await freeze(&dice)
        case .graph: try await spoilAnswers()
        case .operators: await replay(&dice)
        }
    }

    private func anyWorker(_ dice: inout SeededGenerator) -> WorkerSlot? {
        fleet.slots.filter(\.isWorking).randomElement(using: &dice)
    }

    private func kill(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 0.2...2, using: &dice))
            if let slot = anyWorker(&dice), slot.send(SIGKILL) { tally.add(Trouble.kill.tallied) }
        }
    }

    /// Past the longest lease, that of a share or a registration: 50 s.
    private func stop(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 2...15, using: &dice))
            guard let slot = anyWorker(&dice), slot.send(SIGSTOP) else { continue }
            tally.add(Trouble.zombie.tallied)
            let since = Date.now
            await pause(.random(in: 15...55, using: &dice))
            slot.send(SIGCONT)
            await checker.excuse(since..<Date.now + Self.wakingSeconds)
        }
    }

    private func drain(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 5...15, using: &dice))
            if let slot = anyWorker(&dice), slot.send(SIGTERM) { tally.add(Trouble.drain.tallied) }
        }
    }

    private func crash(_ dice: inout SeededGenerator) async throws {
        while !Task.isCancelled {
            await pause(.random(in: plan.crashSeconds, using: &dice))
            guard !Task.isCancelled else { return }
            let away = Double.random(in: 0...3, using: &dice)
            // To its end, also when the run ends meanwhile: the server has to be there for the rest.
            try await Task {
                let since = Date.now
                try await world.server.stop(.immediate)
                await pause(away)
                try await world.server.start()
                await checker.excuse(since..<Date.now + Self.wakingSeconds)
            }.value
            tally.add(Trouble.crash.tallied)
        }
    }

    private static let terminate = Statement<Single<Bool>, Int32>(
        "chaos_terminate",
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE usename IN ('chaos_worker', 'chaos_upstream') ORDER BY pid OFFSET $1 LIMIT 1
        """
    )

    private func cut(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 0.5...3, using: &dice))
            let place = Int32.random(in: 0..<Int32(plan.workers * 3), using: &dice)
            do throws(PostgresError) {
                let cut = try await admin.run(Self.terminate(place), deadline: .seconds(2))
                tally.add(Trouble.cut.tallied, cut.count)
            } catch {
                // PostgreSQL is away itself: nothing to cut.
            }
        }
    }

    private func freeze(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 5...15, using: &dice))
            guard let slot = fleet.slots.randomElement(using: &dice) else { return }
            if Bool.random(using: &dice) { slot.proxy.freeze() } else { slot.proxy.freezeAnswers() }
            tally.add(Trouble.network.tallied)
            let since = Date.now
            await pause(.random(in: 0.5...Self.silenceSecondsMax, using: &dice))
            slot.proxy.thaw()
            await checker.excuse(since..<Date.now + Self.wakingSeconds)
        }
    }

    private func spoilAnswers() async throws {
        world.simulator.use(try FaultPlan(json: plan.answers))
        while !Task.isCancelled { await pause(60) }
        world.simulator.use(FaultPlan())
    }

    private static let failed = Statement<FailedSignup>(
        "chaos_failed",
        """
        SELECT id, external_id, waiting_on::text, failed_step, error_code = 'effect_uncertain' FROM embark.signups
         WHERE state = 'failed' AND generation < 4
           AND (error_code <> 'effect_uncertain' OR updated_at < now() - interval '2 minutes')
         ORDER BY updated_at LIMIT 100
        """
    )
    private static let replay = Statement<Single<Int32>, Int64>(
        "chaos_replay",
        "SELECT embark.replay(signup_id => $1, actor => 'chaos', reason => 'chaos')"
    )
    private static let resolve = Statement<Single<String>, Int64, Bool>(
        "chaos_resolve",
        "SELECT embark.resolve(signup_id => $1, effect_happened => $2, actor => 'chaos', reason => 'looked it up')"
    )
    private static let renew = Statement<Single<Int64>, String, String>(
        "chaos_renew",
        "SELECT embark.renew_signup(external_id => $1, code => $2)"
    )

    /// Operators who replay, or look up what nobody knows, when every call has ended; and customers who go through the popup
    /// again.
    private func replay(_ dice: inout SeededGenerator) async {
        while !Task.isCancelled {
            await pause(.random(in: 1...4, using: &dice))
            do throws(PostgresError) {
                for signup in try await admin.run(Self.failed(), deadline: .seconds(5)) {
                    await move(signup, UInt32.random(in: 0...UInt32.max, using: &dice))
                }
            } catch {
                // Away: at the next turn.
            }
        }
    }

    private func move(_ signup: FailedSignup, _ number: UInt32) async {
        do throws(PostgresError) {
            if signup.isUncertain, let n = signup.number {
                let wish = Wish(n: n)
                let hasHappened = world.simulator.hasHappened(
                    signup.step,
                    wabaID: wish.wabaID,
                    phoneNumberID: wish.phoneID
                )
                _ = try await admin.run(Self.resolve(signup.id, hasHappened), deadline: .seconds(5))
                tally.add("resolutions")
            } else if signup.waitingOn == "operator" {
                _ = try await admin.run(Self.replay(signup.id), deadline: .seconds(5))
                tally.add("replays")
            } else if let n = signup.number {
                let code = Wish(n: n).code(renewal: Int(number))
                _ = try await upstream.run(Self.renew(signup.externalID, code), deadline: .seconds(5))
                tally.add("renewals")
            }
        } catch {
            // Refused, because somebody must decide first; or away.
            tally.add("refused moves")
        }
    }
}

struct FailedSignup: RowDecodable, Sendable {
    let id: Int64
    let externalID: String
    let waitingOn: String
    let step: String
    let isUncertain: Bool

    /// As `Wish` has it.
    var number: Int? { Int(externalID.dropFirst("chaos-".count)) }

    static let columnTypes: [PostgresType] = [.int8, .text, .text, .text, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        externalID = try row.next()
        waitingOn = try row.next()
        step = try row.next()
        isUncertain = try row.next()
    }
}
