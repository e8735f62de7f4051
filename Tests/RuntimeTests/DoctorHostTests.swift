/// `embark doctor` beyond the database's content: the way to it, its clock, its snapshots, the keys, and Graph.
import Foundation
import GraphSimulator
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct DoctorHostTests {
    @Test func `A clock that differs is found, in both directions, and a small difference is not`() async throws {
        try await DoctorFindings.withSetUp { database, _ in
            for (seconds, found) in [(-60, true), (60, true), (0, false)] as [(Int64, Bool)] {
                let clock = try await DoctorFindings.of(database, secondsOff: seconds)
                let words =
                    /WARN clock: this machine's clock and the database's differ by (59|60) s → Run a time service .*/
                #expect(clock.count == (found ? 1 : 0), "\(clock)")
                #expect(clock.allSatisfy { $0.wholeMatch(of: words) != nil }, "\(clock)")
            }
        }
    }

    struct Way: Sendable {
        let hosts: [String]
        let mode: String
        let isEncrypted: Bool
        let finding: String
    }

    private static let unencrypted =
        "WARN the connection leaves this machine unencrypted, and codes and tokens travel over it"

    static let ways = [
        Way(hosts: [], mode: "prefer", isEncrypted: false, finding: "OK does not leave this machine"),
        Way(hosts: ["/run/postgresql"], mode: "disable", isEncrypted: false, finding: "OK does not leave this machine"),
        Way(
            hosts: ["localhost", "127.0.0.2"],
            mode: "prefer",
            isEncrypted: false,
            finding: "OK does not leave this machine"
        ),
        Way(hosts: ["127.example.com"], mode: "prefer", isEncrypted: false, finding: unencrypted),
        // One of several is enough.
        Way(hosts: ["localhost", "db.example.com"], mode: "prefer", isEncrypted: false, finding: unencrypted),
        Way(
            hosts: ["db.example.com"],
            mode: "verify-ca",
            isEncrypted: true,
            finding:
                "WARN encrypted, but with sslmode=verify-ca nothing says that it is the right server: it can be read on the way"
        ),
        Way(
            hosts: ["db.example.com"],
            mode: "verify-full",
            isEncrypted: true,
            finding: "OK encrypted, and the server's name is verified"
        ),
    ]

    @Test(arguments: ways)
    func `What leaves the machine has to be encrypted, to a server whose name is verified`(way: Way) throws {
        let found = EncryptionCheck.finding(hosts: way.hosts, mode: way.mode, isEncrypted: way.isEncrypted)
        #expect("\(found.level.rawValue) \(found.message)" == way.finding)
        #expect((found.remedy?.contains("sslmode=verify-full") == true) == (found.level == .warn))
    }

    @Test func `The connection string says where the way leads and how far the server must prove itself`() throws {
        let options = try ConnectionOptions("postgresql://a,b/embark?sslmode=require", applicationName: "t")
        #expect(options.hosts == ["a", "b"])
        #expect(options.tlsMode == "require")
        #expect(options.wantedSession == "any")
        // The address is what is connected to.
        let numeric = try ConnectionOptions("host=db.example.com hostaddr=10.0.0.7", applicationName: "t")
        #expect(numeric.hosts == ["10.0.0.7"])
        #expect(numeric.tlsMode == "prefer")
    }

    @Test func `An old snapshot is found with who holds it, and is gone with it`() async throws {
        try await DoctorFindings.withSetUp { database, _ in
            var limits = Doctor.Limits()
            limits.snapshotSeconds = 0
            let holder = try await Connection.open(ConnectionOptions(database, applicationName: "a report"))
            try await holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            let found = try await DoctorFindings.of(database, limits: limits)
            let pid = holder.backendProcessID
            #expect(found.count == 1)
            let words =
                "WARN open snapshots: session \(pid) of postgres, a report (idle in transaction) has held one for "
            #expect(found.first?.hasPrefix(words) == true, "\(found)")
            #expect(found.first?.hasSuffix(" → SELECT pg_terminate_backend(\(pid));") == true, "\(found)")
            // Not for a moment's transaction.
            #expect(try await DoctorFindings.of(database) == [])
            await holder.close()
            try await eventually("the session is gone") { try await DoctorFindings.of(database, limits: limits) == [] }
        }
    }

    @Test func `Whoever may not see others' sessions is told so, and sees what they hold once it may`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            var limits = Doctor.Limits()
            limits.snapshotSeconds = 0
            try await connection.script(#"CREATE ROLE "on Call" LOGIN IN ROLE embark_operator"#)
            let login = try url(database, user: "on Call")
            let holder = try await Connection.open(ConnectionOptions(database, applicationName: "a report"))
            try await holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            let blind = try await DoctorFindings.of(login, limits: limits)
            let remedy = #"GRANT pg_read_all_stats TO "on Call";"#
            let words = "WARN open snapshots: this user cannot see other users' sessions, and any of them may hold one"
            #expect(blind == [words + " → " + remedy])
            try await connection.script(remedy)
            let found = try await DoctorFindings.of(login, limits: limits)
            #expect(found.count == 1)
            #expect(
                found.first?.contains(" session \(holder.backendProcessID) of postgres, a report") == true,
                "\(found)"
            )
            await holder.close()
            try await connection.script(#"DROP ROLE "on Call""#)
        }
    }

    @Test func `Dead rows of the queue are found`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            var limits = Doctor.Limits()
            limits.deadRows = 500
            try await connection.script(
                """
                INSERT INTO embark.jobs (signup_id, step, lane, due_at)
                SELECT n, 'subscribe_app', 5, now() + interval '1 h' FROM generate_series(1, 600) AS n;
                DELETE FROM embark.jobs;
                """
            )
            // Statistics are the session's own until it has nothing to do.
            try await connection.script("SELECT pg_stat_force_next_flush()")
            try await eventually("the statistics are there") {
                try await DoctorFindings.of(database, limits: limits) == [
                    "WARN vacuum: embark.jobs has 600 dead rows, never vacuumed"
                        + " → Look for an old snapshot above; if there is none: VACUUM embark.jobs;"
                ]
            }
        }
    }

    @Test func `A key that sealed texts need and the ring does not have is found`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            let old = try KeyRing(jwkSet: KeyRing.newKeySet(id: "2025-01").revealed)
            let sealed = try old.seal(Secret("EAAtoken"), signupID: 1, purpose: .token)
            try await connection.script(
                """
                INSERT INTO embark.secrets (signup_id, sealed_token, sealed_pin) VALUES
                    (1, '\(sealed)', '\(sealed)'), (2, NULL, 'no JWE'), (3, '', 'a.b'), (4, '_-_x', NULL);
                """
            )
            let ring = ["EMBARK_SEALING_KEYS": KeyRing.newKeySet(id: "2025-01").revealed]
            #expect(try await DoctorFindings.of(database, environment: ring) == [])
            #expect(try await DoctorFindings.of(database) == [])
            let other = ["EMBARK_SEALING_KEYS": KeyRing.newKeySet(id: "2026-01").revealed]
            #expect(
                try await DoctorFindings.of(database, environment: other) == [
                    "FAIL sealed texts: 2 or more tokens and PINs need the key 2025-01, which EMBARK_SEALING_KEYS does not have"
                        + " → Put that key back into the set, behind the first one: without it they cannot be opened."
                ]
            )
            let malformed = try await DoctorFindings.of(database, environment: ["EMBARK_SEALING_KEYS": "canary"])
            #expect(malformed.count == 1)
            #expect(malformed.first?.hasPrefix("FAIL keys: EMBARK_SEALING_KEYS ") == true)
            #expect(malformed.first?.contains("canary") == false)
        }
    }

    // MARK: Graph

    static let versions: [(String, Int64, GraphVersion.Standing)] = [
        // 2026-11-22 is day 9822 since 2000-01-01; v21.0 has 60 days left then.
        ("v21.0", 9822, .lives(until: "2027-01-21", days: 60)), ("v21.0", 9882, .lives(until: "2027-01-21", days: 0)),
        ("v21.0", 9883, .ended("2027-01-21")), ("v20.0", 9822, .ended("2026-09-24")), ("v3.3", 9822, .endedLongAgo),
        ("v24.0", 9822, .lives(until: "2028-02-18", days: 453)), ("v26.0", 9822, .livesWithoutEnd),
        ("v99.0", 9822, .unheardOf), ("v26.1", 9822, .unheardOf), ("v25.5", 9822, .unheardOf), ("25", 9822, .unheardOf),
    ]

    @Test(arguments: versions)
    func `A version of Graph has an end`(version: String, today: Int64, standing: GraphVersion.Standing) {
        #expect(GraphVersion.standing(of: version, daysSince2000: today) == standing)
    }

    @Test func `The version that is the default lives, and one that has ended is found`() async throws {
        #expect(GraphVersion.newest == SettingSources.defaults["EMBARK_GRAPH_VERSION"])
        try await DoctorFindings.withSetUp { database, _ in
            let remedy = " → Set EMBARK_GRAPH_VERSION to v25.0 on every worker, and restart them one by one."
            let ended = try await DoctorFindings.of(database, environment: ["EMBARK_GRAPH_VERSION": "v20.0"])
            #expect(ended == ["FAIL graph version: v20.0 ended on 2026-09-24" + remedy])
            let unheardOf = try await DoctorFindings.of(database, environment: ["EMBARK_GRAPH_VERSION": "v99.0"])
            let words =
                "WARN graph version: v99.0 is none that this program knows: its answers may mean something else"
            #expect(unheardOf == [words + remedy])
            let malformed = try await DoctorFindings.of(database, environment: ["EMBARK_GRAPH_VERSION": "25"])
            #expect(malformed.first?.hasPrefix("FAIL graph version: EMBARK_GRAPH_VERSION must be") == true)
        }
    }

    @Test func `A Graph that cannot be reached is found, and so is something else in its place`() async throws {
        try await DoctorFindings.withSetUp { database, _ in
            let nobody = "http://127.0.0.1:1"
            let found = try await DoctorFindings.of(database, environment: ["EMBARK_GRAPH_URL": nobody])
            #expect(found.count == 1)
            #expect(found.first?.hasPrefix("FAIL graph: \(nobody) cannot be reached: ") == true, "\(found)")

            let proxy = try ScriptedServer { peer in
                peer.readRequest()
                peer.answer("<html>", headers: "Content-Type: text/html\r\n")
            }
            let url = "http://127.0.0.1:\(proxy.port)"
            let other = try await DoctorFindings.of(database, environment: ["EMBARK_GRAPH_URL": url])
            #expect(other.first?.hasPrefix("FAIL graph: at \(url) something else answers: ") == true, "\(other)")
        }
    }

    @Test(arguments: [true, false])
    func `Our own credentials are shown to Graph, unless the app rests`(rests: Bool) async throws {
        try await DoctorFindings.withSetUp { database, connection in
            if rests {
                try await connection.script(
                    "INSERT INTO embark.throttles (scope, until, reason) VALUES ('app', now() + interval '1 h', '4 limit')"
                )
            }
            try await SimulatedPlatform.with { platform in
                var environment = WorkerProcess.environment(graph: platform.url)
                let good = try await DoctorFindings.of(database, environment: environment)
                #expect(good.allSatisfy { $0.hasPrefix("WARN pauses") })
                let calls = try platform.ledger("request").filter { $0["endpoint"] == "debug_token" }
                #expect(calls.count == 1)
                #expect(good.count == (rests ? 1 : 0), "\(good)")
                // One that Graph does not know, and an app secret that it refuses.
                environment["EMBARK_SYSTEM_TOKEN"] = "canary-unknown"
                let bad = try await DoctorFindings.of(database, environment: environment)
                let expected =
                    "FAIL credentials: Graph says that EMBARK_SYSTEM_TOKEN is not valid"
                    + " → Set EMBARK_SYSTEM_TOKEN anew and restart the workers."
                #expect(bad.contains(expected) == !rests, "\(bad)")
                #expect(!bad.joined().contains("canary"))
            }
        }
    }

    @Test func `Of many pauses ten are shown, our own credentials first, and how many there are more`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            try await connection.script(
                """
                INSERT INTO embark.throttles (scope, until, reason, credentials)
                SELECT 'waba:' || n, now() + n * interval '1 h', '80007 limit', false FROM generate_series(1, 12) AS n
                 UNION ALL SELECT 'system', now() + interval '1 min', '190 expired', true;
                """
            )
            let found = try await DoctorFindings.of(database)
            #expect(found.count == 11)
            #expect(found.first?.hasPrefix("FAIL credentials: system rests ") == true, "\(found)")
            #expect(found.last?.hasPrefix("WARN pauses: and 3 more → See them all: SELECT ") == true, "\(found)")
            let see = try #require(found.last?.split(separator: "See them all: ").last)
            try await connection.script(String(see))
        }
    }

    private static let again = " → Run doctor again in some minutes."
    private static let outage = " → Look at https://metastatus.com. Workers try again by themselves."

    /// What Graph answers to the inspection of our token, and what is made of it; GRAPH is its address.
    static let answers: [(fault: String, finding: String)] = [
        (
            "code:1",
            "WARN credentials: Graph did not say whether they are good: 1 (#1) Simulated" + again
                + " What it means: embark errors 1"
        ),
        (
            "code:4",
            "WARN credentials: Graph did not say whether they are good: 4 (#4) Simulated" + again
                + " What it means: embark errors 4"
        ),
        (
            "code:424242",
            "WARN credentials: Graph did not say whether they are good: 424242 (#424242) Simulated" + again
        ),
        ("code:2", "WARN graph: GRAPH answers with HTTP 503, 2 (#2) Simulated" + outage),
        ("html502", "WARN graph: GRAPH answers with HTTP 502" + outage),
        ("http500", "WARN graph: GRAPH answers with HTTP 500" + outage),
        (
            "code:190",
            "FAIL credentials: Graph refuses the app's own token: 190 (#190) Simulated"
                + " → Set EMBARK_APP_SECRET anew and restart the workers."
        ),
        (
            "wrong_secret",
            "FAIL credentials: Graph refuses the app's own token: 1 Error validating client secret."
                + " → Set EMBARK_APP_SECRET anew and restart the workers."
        ),
        (
            "code:101",
            "FAIL credentials: Graph does not know the installation's app: 101 (#101) Simulated"
                + " → Run embark configure --app-id with the app's id, and see that EMBARK_APP_SECRET is that app's."
        ),
    ]

    @Test(arguments: answers)
    func `Only what Graph says of our credentials makes them wrong; its own trouble does not`(
        fault: String,
        finding: String
    ) async throws {
        try await DoctorFindings.withSetUp { database, _ in
            try await SimulatedPlatform.with(faults: #"{"debug_token": ["\#(fault)"]}"#) { platform in
                let environment = WorkerProcess.environment(graph: platform.url)
                let found = try await DoctorFindings.of(database, environment: environment)
                #expect(found == [finding.replacing("GRAPH", with: platform.url)])
            }
        }
    }

    // MARK: The command

    @Test func `With nobody at the database's port the rest is looked at all the same, with exit 69`() async throws {
        let url = "postgresql://somebody:canary@127.0.0.1:1/nowhere"
        let result = try await Command.run(["doctor", "-o", "jsonl"], database: url)
        #expect(result.code == 69)
        let checks = try result.objectLines().map { "\($0["level"] ?? "") \($0["check"] ?? "")" }
        #expect(checks.prefix(2) == ["FAIL database", "OK keys"], "\(checks)")
        #expect(checks.contains("FAIL graph"))
        #expect(
            result.err.hasPrefix(
                "embark: the database cannot be reached: cannot connect to 127.0.0.1:1/nowhere as somebody: "
            )
        )
        #expect(!result.all.contains("canary"))
    }

    @Test func `A check that takes too long is a failure, and the others are made`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            let other = try await Connection.open(ConnectionOptions(database, applicationName: "blocks"))
            try await other.script("BEGIN; LOCK TABLE embark.installation IN ACCESS EXCLUSIVE MODE")
            var limits = Doctor.Limits()
            limits.deadline = .seconds(1)
            let found = try await DoctorFindings.of(database, limits: limits)
            // The server looks at the table's constraints, too.
            let late = "the deadline passed, 57014 query_canceled → Run doctor again."
            #expect(
                found == [
                    "FAIL catalogue: could not be looked at: inspect_catalogue: " + late,
                    "FAIL installation: could not be looked at: read_installation: " + late,
                ]
            )
            await other.close()
        }
    }

    @Test func `Of several hosts a worker needs the one that takes writes, and doctor says how to ask for it`()
        async throws
    {
        try await DoctorFindings.withSetUp { database, _ in
            let port = try #require(URLComponents(string: database)?.port)
            let two = database.replacing("127.0.0.1:\(port)", with: "127.0.0.1:1,127.0.0.1:\(port)")
            let advice = "Add target_session_attrs=read-write to EMBARK_DATABASE_URL."
            #expect(
                try await DoctorFindings.of(two) == [
                    "WARN hosts: of 2 hosts the first that answers is taken, which may be a standby that takes no writes"
                        + " → \(advice)"
                ]
            )
            for wanted in ["read-write", "primary"] {
                let found = try await DoctorFindings.of(two + "?target_session_attrs=\(wanted)")
                #expect(found.isEmpty, "\(found)")
            }
        }
    }

    @Test func `On a terminal of 80 columns each line fits, and in a pipe each finding is on one`() async throws {
        try await DoctorFindings.withSetUp { database, connection in
            try await connection.script("ALTER ROLE embark_worker LOGIN")
            let (code, terminal) = try await TerminalCommand.run(["doctor"], database: database) { _ in }
            #expect(code == 1)
            let plain = terminal.output.replacing(/\u{1B}\[[0-9;]*m/, with: "")
            let lines = plain.components(separatedBy: "\r\n")
            #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
            let piped = try await Command.run(["doctor"], database: database)
            let long =
                "embark_worker can log in, or is a superuser, or bypasses row security; it must only group rights"
            #expect(piped.out.contains(long + "\n"))
            #expect(plain.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains(long))
            try await connection.script("ALTER ROLE embark_worker NOLOGIN")
        }
    }
}
