/// The work: what rests, what is about to end, what nobody does, and who is there to do it.
import Onboarding
import Postgres

extension DatabaseChecks {
    private static let pausesMax: Int32 = 1_000
    private static let pausesShown = 10
    private static let tokensNamed: Int32 = 5
    private static let overdueMax: Int32 = 10_000
    /// Signups from each end of the table whose sealed texts are looked at.
    private static let sealedSignups: Int32 = 50_000

    func pauses() async throws -> [Finding] {
        let rows = try await ask(Queries.listThrottles(Self.pausesMax))
        if rows.isEmpty { return [.ok("pauses", "nothing rests")] }
        // Our own credentials first: they are somebody's to renew.
        let findings = (rows.filter(\.isCredentials) + rows.filter { !$0.isCredentials }).map(Self.finding(about:))
        guard findings.count > Self.pausesShown else { return findings }
        let left = findings.count - Self.pausesShown
        let more = Finding.warn(
            "pauses",
            rows.count < Int(Self.pausesMax) ? "and \(left) more" : "and \(left) more, or still others",
            remedy:
                "See them all: SELECT scope, until, reason FROM embark.throttles WHERE until > now() ORDER BY until;"
        )
        return findings.prefix(Self.pausesShown) + [more]
    }

    private static func finding(about row: ThrottleRow) -> Finding {
        let message = "\(row.scope) rests for \(Int(max(1, row.seconds))) s more: \(row.reason)"
        if row.isCredentials {
            let secret = row.scope == "app" ? "EMBARK_APP_SECRET" : "EMBARK_SYSTEM_TOKEN"
            return .fail(
                "credentials",
                message,
                remedy: "Set \(secret) anew, restart the workers, and run: embark resume \(row.scope)"
            )
        }
        let remedy =
            PauseReason.isByHand(row.reason)
            ? "It ends by itself. To end it now: embark resume \(row.scope)"
            : "It ends by itself. To call Graph before lengthens Meta's block."
        return .warn("pauses", message, remedy: remedy)
    }

    func tokens() async throws -> [Finding] {
        let rows = try await ask(Queries.inspectTokens(Doctor.tokenDays, Doctor.tokensMax, Self.tokensNamed))
        if rows.isEmpty { return [.ok("tokens", "none ends within \(Doctor.tokenDays) days")] }
        return rows.map(Self.finding(about:))
    }

    private static func finding(about tokens: EndingTokens) -> Finding {
        let days = Doctor.tokenDays
        let count = tokens.tokens < Int64(Doctor.tokensMax) ? "\(tokens.tokens)" : "\(Doctor.tokensMax) or more"
        let what =
            tokens.hasEnded
            ? "business tokens that ended within the last \(days) days: \(count)"
            : "business tokens that end within \(days) days: \(count), the first in \(Int(tokens.firstSeconds / 86_400)) days"
        let more = tokens.tokens > Int64(tokens.signups.count) ? " and others" : ""
        // A completed signup cannot be renewed, and its external id is taken.
        return .warn(
            "tokens",
            "\(what); signup \(tokens.signups.joined(separator: ", "))\(more)",
            remedy: "Have those customers go through the popup again, and enqueue each as a new signup, "
                + "under another external_id. Whose they are: embark signup show \(tokens.signups.first ?? "ID")"
        )
    }

    /// Who works, and whether what is due is worked off.
    func queue() async throws -> [Finding] {
        let workers = try await ask(Queries.inspectWorkers(limits.workerSeconds))
        guard let overdue = try await ask(Queries.inspectQueue(limits.overdueSeconds, Self.overdueMax)).first else {
            return []
        }
        return [Self.finding(about: workers, jobsWait: overdue.jobs > 0), finding(about: overdue)]
    }

    private static func finding(about workers: [WorkerVersion], jobsWait: Bool) -> Finding {
        if workers.isEmpty {
            let remedy = "Start one: embark worker. README, \"Run workers\", says what it needs."
            return jobsWait
                ? .fail("workers", "none was heard of in the last minute, and jobs wait", remedy: remedy)
                : .warn("workers", "none was heard of in the last minute", remedy: remedy)
        }
        if workers.count > 1 {
            let versions = workers.map { "\($0.version) (\($0.workers))" }.joined(separator: ", ")
            return .warn(
                "workers",
                "they are of several versions: \(versions)",
                remedy: "Nothing breaks while you roll out. Then upgrade the others."
            )
        }
        return .ok("workers", "\(workers[0].workers) of version \(workers[0].version)")
    }

    private func finding(about overdue: OverdueJobs) -> Finding {
        guard overdue.jobs > 0, let seconds = overdue.oldestSeconds, let id = overdue.signupID else {
            return .ok("queue", "no job has been due for long")
        }
        let count = overdue.jobs >= Int64(Self.overdueMax) ? "\(Self.overdueMax) jobs or more" : "jobs: \(overdue.jobs)"
        let message =
            "due for more than \(Int(limits.overdueSeconds)) s and claimed by nobody, \(count), the oldest for \(Int(seconds)) s: "
            + "signup \(id) at \(overdue.step ?? "?")"
        let remedy = "Look at it: embark why \(id). If there are ever more, start more workers."
        return seconds > limits.stuckSeconds
            ? .fail("queue", message, remedy: remedy) : .warn("queue", message, remedy: remedy)
    }

    /// A key that left the ring while something sealed under it is kept makes a token or a PIN unreadable.
    func sealedTexts(_ keys: KeyRing) async throws -> [Finding] {
        let needed = try await ask(Queries.inspectKeyIDs(Self.sealedSignups))
        let missing = needed.filter { !keys.keyIDs.contains($0.id) }
        if missing.isEmpty { return [.ok("sealed texts", "their keys are in EMBARK_SEALING_KEYS")] }
        return missing.map { key in
            .fail(
                "sealed texts",
                "\(key.texts) or more tokens and PINs need the key \(key.id), which EMBARK_SEALING_KEYS does not have",
                remedy: "Put that key back into the set, behind the first one: without it they cannot be opened."
            )
        }
    }

    func installation() async throws -> [Finding] {
        guard let installation = try await ask(Queries.readInstallation()).first?.installation else {
            return [
                .fail(
                    "installation",
                    "not configured: no signup can be enqueued",
                    remedy: "Run: embark configure --app-id … --credit-line-id … --system-user-id …"
                )
            ]
        }
        let problems = installation.problems
        if !problems.isEmpty {
            return problems.map { .fail("installation", $0, remedy: "Run: embark configure") }
        }
        return [.ok("installation", "\(installation.partnerMode.rawValue), app \(installation.appID)")]
    }

    /// What a call to Graph has to know; without an app's id it is made as nobody. That the rows could not be read is a finding
    /// of the checks before.
    func caller() async -> GraphCaller {
        do {
            let installation = try await ask(Queries.readInstallation()).first?.installation
            let resting = try await ask(Queries.listThrottles(Self.pausesMax)).map(\.scope)
            return GraphCaller(appID: installation?.appID, appRests: resting.contains(Scope.app.name))
        } catch {
            return .nobody
        }
    }
}
