/// The database's volume is full: nobody crashes for it, nothing counts that was not stored, and all goes on when there is room.
import Foundation
import NIOCore
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

@Suite(.timeLimit(.minutes(10)))
struct DiskFullTests {
    /// How the server is kept from writing.
    enum Way: String, Sendable {
        /// No space is left on its volume. Tables cannot grow, and in the end there is no room for the log of changes, which
        /// crashes the server.
        case volume
        /// The limit on the size of its files is 0, for an ordinary user who may not mount a volume: the server cannot write at
        /// all, crashes, and does not come up.
        case fileSize
    }

    /// Both where that can be: nothing is left out for want of rights but the volume's own error.
    private static var ways: [Way] {
        get async { await SmallVolume.canBeMounted ? [.volume, .fileSize] : [.fileSize] }
    }

    @Test
    func `While the database's disk is full workers live, nothing counts that was not stored, and all goes on later`()
        async throws
    {
        for way in await Self.ways {
            let volume = way == .volume ? SmallVolume(megabytes: 120) : nil
            let settings = ["fsync=off", "max_wal_size=32MB", "min_wal_size=32MB", "restart_after_crash=on"]
            try await PrivateServer.configured(settings: settings, volume: volume) { server in
                try await SimulatedPlatform.with(latency: .milliseconds(150)) { platform in
                    try await Self.run(way, server, platform)
                }
            }
        }
    }

    private static func run(_ way: Way, _ server: PrivateServer, _ platform: SimulatedPlatform) async throws {
        let data = server.directory + "/data"
        let result = try await RunningWorker.with(
            graph: platform.url,
            database: server.url,
            environment: ["EMBARK_LOG_LEVEL": "info", "EMBARK_CONCURRENCY": "16"]
        ) { worker in
            try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
            try await Customer.enqueue(1...40, messageEvery: 3)
            try await eventually("it is in the middle", within: .seconds(20)) {
                try await count("embark.jobs WHERE step <> 'exchange_code'") == 40
            }
            switch way {
            case .volume: try SmallVolume.fill(data)
            case .fileSize: try await server.limitFiles(to: 0)
            }
            let full = ContinuousClock.now
            // An upstream system goes on enqueuing until it is told no. What it was told yes to is stored.
            var acknowledged = 40
            while try await enqueues(acknowledged + 1) {
                acknowledged += 1
                try #require(acknowledged < 3000, "the disk is not full")
            }
            try await eventually("the disk was full for a while", within: .seconds(20)) {
                let health = try await worker.get("/healthz")
                #expect(health?.status == 200)
                return .now - full > .seconds(6)
            }
            if way == .volume { try await useUpChangeLog() }
            #expect(try await worker.get("/healthz")?.status == 200)
            switch way {
            case .volume: try SmallVolume.makeRoom(data)
            // The server is gone, or goes now: the limit goes with its processes.
            case .fileSize: try await server.stop(.immediate)
            }
            try await server.start()
            // One that has recovered by itself may still be at it.
            try await eventually("the server takes sessions", within: .seconds(20)) {
                do {
                    try await script("SELECT 1")
                    return true
                } catch is PostgresError {
                    return false
                }
            }
            try await eventually("it is ready again", within: .seconds(20)) { try await worker.isReady() }
            #expect(try await count("embark.signups") >= Int64(acknowledged), "acknowledged and lost")
            try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(60))
        }
        #expect(result.code == 0, "\(result.err.suffix(1000))")
        // Codes that could not be exchanged in their 30 seconds have died, as they must.
        try await Unharmed.check(
            platform,
            signups: Int(try await count("embark.signups")),
            ends: ["completed", "failed code_expired", "failed code_spent"]
        )
        #expect(try await count("embark.signups WHERE state = 'completed'") >= 40)
        #expect(try result.logLines().count < 120, "the log is flooded")
    }

    /// Whether the database takes one more signup, of the usual size and some more.
    private static func enqueues(_ n: Int) async throws -> Bool {
        do {
            try await script(
                """
                SELECT embark.enqueue_signup(code => '\(Customer.code(n))', waba_id => '\(Customer.wabaID(n))',
                    phone_number_id => '\(Customer.phoneID(n))', business_id => '\(Customer.businessID(n))',
                    currency => 'USD', metadata => jsonb_build_object('a', repeat(md5(random()::text), 30)))
                """
            )
            return true
        } catch let error as PostgresError {
            #expect(error.sqlState == "53100" || error.isConnectionLoss, "\(error)")
            return false
        }
    }

    /// Until the server has no room for the next segment of its log, and crashes.
    private static func useUpChangeLog() async throws {
        try await eventually("the server has crashed", within: .seconds(20)) {
            do {
                try await script("CREATE TEMPORARY TABLE x (); DROP TABLE x; SELECT pg_switch_wal()")
                return false
            } catch let error as PostgresError {
                return error.isConnectionLoss
            }
        }
    }
}
