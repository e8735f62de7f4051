/// The acts of a run: calm and kills compared, the storm, and the time that what is left may take.
import Foundation
import GraphSimulator
import Invariants
import Postgres
import Support

struct Stage: Sendable {
    let world: World
    let plan: ChaosPlan
    let fleet: Fleet
    let admin: Pool
    let upstream: Pool
    let load: Load
    let checker: InvariantChecker
    let tally = Tally()
    let measured = Measured()
    let resources = ResourceWatch()

    init(world: World, plan: ChaosPlan, embark: String) async throws {
        self.world = world
        self.plan = plan
        admin = Pool(try ConnectionOptions(world.server.url, applicationName: "chaos"), size: 4)
        upstream = Pool(
            try ConnectionOptions(world.url(user: "chaos_upstream"), applicationName: "chaos upstream"),
            size: 2
        )
        let keys = try await world.command(embark, ["key", "new"])
        let data = try await admin.run(Self.dataDirectory())[0].value
        checker = InvariantChecker(
            database: world.server.url,
            ledger: try Ledger(file: URL(filePath: world.ledgerPath)),
            canaries: try Canary.all(keys: keys),
            texts: [URL(filePath: world.logs), URL(filePath: data + "/server.log")]
        )
        load = Load(upstream: upstream, admin: admin, plan: plan, checker: checker)
        var slots: [WorkerSlot] = []
        for number in 1...plan.workers {
            let proxy = try TCPProxy(to: world.server.port)
            slots.append(
                WorkerSlot(
                    number: number,
                    proxy: proxy,
                    port: try await FreePort.find(seed: plan.seed &+ UInt64(number))
                )
            )
        }
        fleet = Fleet(
            slots: slots,
            embark: embark,
            databaseURL: world.url(user: "chaos_worker"),
            environment: [
                "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": "/",
                "EMBARK_GRAPH_URL": world.graphURL, "EMBARK_APP_SECRET": Canary.appSecret,
                "EMBARK_SYSTEM_TOKEN": Canary.systemToken, "EMBARK_SEALING_KEYS": keys,
                "EMBARK_LOG_LEVEL": "info", "EMBARK_CONCURRENCY": "\(plan.concurrency)",
            ],
            logs: world.logs
        )
    }

    func close() async {
        for slot in fleet.slots { slot.proxy.close() }
        await admin.close()
        await upstream.close()
    }

    // MARK: The acts

    func play() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await fleet.run() }
            group.addTask { try await keepLedger() }
            group.addTask { await resources.watch(fleet, logs: world.logs) }
            do {
                try await act()
            } catch {
                fleet.finish()
                group.cancelAll()
                throw error
            }
            fleet.finish()
            // The fleet ends by itself; the others when they are told.
            try await group.next()
            group.cancelAll()
            while try await group.next() != nil {}
        }
        try writeLedger()
    }

    private func act() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await load.run() }
            group.addTask {
                try await compare()
                try await storm()
            }
            // The storm ends, or the load fails.
            try await group.next()
            group.cancelAll()
            while try await group.next() != nil {}
        }
        try await settle()
    }

    /// The same load without and with kills, in turns.
    private func compare() async throws {
        guard plan.comparisons > 0 else { return }
        await pause(3)
        for round in 1...plan.comparisons {
            let calm = try await steps(in: plan.comparisonSeconds, with: [])
            let killed = try await steps(in: plan.comparisonSeconds, with: [.kill])
            measured.note { $0.compared.append((calm, killed)) }
            say("round \(round): \(Int(calm)) steps/s in calm, \(Int(killed)) while workers are killed")
        }
    }

    /// Steps a second.
    private func steps(in seconds: Double, with troubles: Set<Trouble>) async throws -> Double {
        let from = try await admin.run(Self.now())[0].value
        try await unleash(troubles) { await pause(seconds) }
        let until = try await admin.run(Self.now())[0].value
        let count = try await admin.run(Self.stepsBetween(from, until), deadline: .seconds(60))[0].value
        return Double(count) / (Double(until.microseconds - from.microseconds) / 1e6)
    }

    private func storm() async throws {
        let start = ContinuousClock.now
        try await unleash(plan.troubles) {
            var told = start
            while !Task.isCancelled {
                await pause(1)
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                if seconds >= plan.secondsMax { return }
                guard ContinuousClock.now - told >= .seconds(10) || seconds >= plan.secondsMin else { continue }
                let steps: Int
                do throws(PostgresError) {
                    steps = Int(try await admin.run(Self.stepCount(), deadline: .seconds(60))[0].value)
                } catch {
                    // PostgreSQL is away on purpose.
                    continue
                }
                if ContinuousClock.now - told >= .seconds(10) {
                    told = .now
                    measured.note { $0.progress.append((seconds, steps)) }
                    await remember()
                    say("\(Int(seconds)) s: \(load.acknowledged) signups, \(steps) steps; \(tally)")
                }
                let isReached =
                    steps >= plan.goal.steps && tally.count("kills") >= plan.goal.kills
                    && tally.count("crashes") >= plan.goal.crashes
                if seconds >= plan.secondsMin, isReached { return }
            }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        measured.note { $0.stormSeconds = seconds }
    }

    /// The history so far, to see at the end that it has stayed.
    private func remember() async {
        do {
            try await checker.snapshot()
        } catch {
            // PostgreSQL is away on purpose: at the next turn.
        }
    }

    /// Returns when `body` has, and each trouble has come to its end.
    private func unleash(_ troubles: Set<Trouble>, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let hand = Troubles(
            world: world,
            fleet: fleet,
            plan: plan,
            tally: tally,
            checker: checker,
            admin: admin,
            upstream: upstream
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            for trouble in troubles { group.addTask { try await hand.run(trouble) } }
            try await body()
            group.cancelAll()
            while try await group.next() != nil {}
        }
        for slot in fleet.slots {
            slot.proxy.thaw()
            slot.send(SIGCONT)
        }
    }

    /// Retries are brought forward, but for shares, which are read back a minute after the post and not sooner. What a limit of Graph's has put to rest is left alone until its time.
    private func settle() async throws {
        let end = ContinuousClock.now + .seconds(plan.settleSecondsMax)
        var told: Int64 = 0
        while ContinuousClock.now < end {
            let left = try await admin.run(Self.left(), deadline: .seconds(30))[0].value
            if left == 0 { return }
            if left != told { say("\(left) signups are still on their way") }
            told = left
            _ = try await admin.run(Self.hurry(), deadline: .seconds(30))
            await pause(2)
        }
    }

    // MARK: What is written down

    private func keepLedger() async throws {
        while !Task.isCancelled {
            await pause(1)
            try writeLedger()
        }
    }

    private func writeLedger() throws {
        let taken = world.simulator.takeLedger()
        tally.add(Self.calls, taken.count { $0.contains(#""kind":"request""#) })
        tally.add(Self.spoiledCalls, taken.count { $0.contains(#""kind":"fault""#) })
        let lines = taken.map { $0 + "\n" }.joined()
        let file = try FileHandle(forWritingTo: URL(filePath: world.ledgerPath))
        try file.seekToEnd()
        try file.write(contentsOf: Data(lines.utf8))
        try file.close()
    }

    static let calls = "calls"
    static let spoiledCalls = "calls at fault"

    // MARK: Statements

    private static let dataDirectory = Statement<Single<String>>(
        "chaos_data",
        "SELECT current_setting('data_directory')"
    )
    private static let now = Statement<Single<Timestamp>>("chaos_now", "SELECT clock_timestamp()")
    private static let stepsBetween = Statement<Single<Int64>, Timestamp, Timestamp>(
        "chaos_steps_between",
        "SELECT count(*) FROM embark.attempts WHERE finished_at >= $1 AND finished_at < $2 AND verdict = 'done'"
    )
    private static let stepCount = Statement<Single<Int64>>(
        "chaos_steps",
        "SELECT count(*) FROM embark.attempts WHERE verdict = 'done'"
    )
    /// But for those whose account or number rests: their time is Graph's to say.
    private static let left = Statement<Single<Int64>>(
        "chaos_left",
        """
        SELECT count(*) FROM embark.jobs AS j JOIN embark.signups AS s ON s.id = j.signup_id
         WHERE NOT EXISTS (
               SELECT FROM embark.throttles AS t
                WHERE t.until > clock_timestamp()
                  AND t.scope IN ('waba:' || s.waba_id, 'phone:' || s.phone_number_id))
        """
    )
    private static let hurry = Statement<NoRow>(
        "chaos_hurry",
        """
        UPDATE embark.jobs SET due_at = clock_timestamp()
         WHERE signup_id IN (SELECT signup_id FROM embark.jobs
                              WHERE lease_id IS NULL AND step <> 'share_credit_line' AND due_at > clock_timestamp() FOR UPDATE SKIP LOCKED)
        """
    )
}
