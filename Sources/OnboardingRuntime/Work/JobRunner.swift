/// Carries one job out: asks the step for its moves, makes the calls, and hands back what is to be written.
import Crypto
import Foundation
import Logging
import Onboarding
import Postgres

struct JobRunner: Sendable {
    /// More calls than any step makes: a step that would go on for ever ends here.
    static let movesMax = 40
    /// Seconds until a job is looked at again whose secret this worker has no key for.
    static let keySeconds = 10...300

    /// Steps of which the job's mark alone says that the call may have left; the others read back, and have rows that say it.
    private static let neverRepeated: Set<Step> = [.syncContacts, .syncHistory, .sendTestMessage]

    let queue: JobQueue
    let marks: SentMarker
    let client: GraphClient
    let keys: KeyRing
    let installation: Installation
    let appSecret: Secret
    let systemToken: Secret?
    let logger: Logger
    let metrics: WorkerMetrics
    let board: ThrottleBoard
    let complaints: Complaints
    let clock: DatabaseClock

    /// - Parameter claimed: when the claim was sent: the lease counts from then.
    /// - Returns: what to settle; nil when the lease was lost or the database could not be asked, and nothing may be
    ///   written: another worker has the job, or will have it when the lease ends.
    func run(_ job: inout ClaimedJob, lease: Lease, claimed: ContinuousClock.Instant) async -> Settlement? {
        let started = ContinuousClock.now
        var verdict: Verdict
        do {
            verdict = try await self.verdict(on: &job, lease: lease, claimed: claimed)
        } catch is SealingError where job.wasSent && Self.neverRepeated.contains(job.step) {
            // To wait would take the mark away, and whoever has the key would send it again.
            verdict = .uncertain(.interrupted)
        } catch let error as SealingError where error.isMissingKey {
            // Another worker may have the key, or this one gets it with its next start; where nobody has it until the step's time
            // is over, an operator is told, and can replay it.
            complaints.say("a sealed secret needs a key that this worker lacks, its job waits", error)
            verdict = .wait(
                Problem(code: "sealing_key_missing", message: error.description),
                seconds: Backoff.asLongAgain(
                    horizon: job.step.policy.horizonSeconds,
                    left: job.secondsUntilGiveUp,
                    within: Self.keySeconds
                )
            )
        } catch let error as SealingError {
            verdict = .fail(Problem(code: "sealing_failed", message: error.description), waitingOn: .operator)
        } catch is HeldBack {
            do throws(PostgresError) {
                // No attempt: nothing was tried, and near a limit there are many of these.
                let seconds = ThrottleBoard.holdBackSeconds * Double.random(in: 1...1.5)
                try await queue.giveBack([lease], afterSeconds: seconds)
            } catch {
                complaints.tell("job left to its lease, it could not be given back", error)
            }
            return nil
        } catch is LeaseLost {
            logger.warning("lease lost before a call", metadata: metadata(job))
            return nil
        } catch let error as PostgresError {
            complaints.tell(
                "job left to its lease, the database could not be asked",
                error,
                level: .error,
                metadata(job)
            )
            return nil
        } catch {
            var metadata = metadata(job)
            metadata["error"] = "\(error)"
            logger.error("job left to its lease", metadata: metadata)
            return nil
        }
        var sealedToken: String?
        if case .done(let facts) = verdict, let token = facts.businessToken {
            do throws(SealingError) {
                sealedToken = try keys.seal(token, signupID: job.signupID, purpose: .token)
            } catch {
                // The keys were tried at start, so this is not to be expected; the token is lost, and the customer is asked.
                verdict = .fail(Problem(code: "sealing_failed", message: error.description), waitingOn: .operator)
            }
        }
        let transition = Transition(
            Transition.Job(
                step: job.step,
                attempt: job.attempt,
                secondsUntilGiveUp: job.secondsUntilGiveUp,
                canRecover: systemToken != nil && job.signup.businessID != nil
            ),
            plan: job.signup.plan,
            verdict: verdict,
            jitter: Double.random(in: 0...1)
        )
        return Settlement(
            lease: lease,
            job: job,
            seconds: (ContinuousClock.now - started) / .seconds(1),
            transition: transition,
            sealedToken: sealedToken
        )
    }

    private struct LeaseLost: Error {}
    private struct HeldBack: Error {}
    private struct OutOfTime: Error {}

    private func verdict(
        on job: inout ClaimedJob,
        lease: Lease,
        claimed: ContinuousClock.Instant
    ) async throws -> Verdict {
        let policy = job.step.policy
        let deadline = claimed + .seconds(min(policy.deadlineSeconds, job.leaseSeconds - Policy.leaseMarginSeconds))
        let credentials = try await credentials(for: &job)
        var context = StepContext(
            signup: job.signup,
            installation: installation,
            credentials: credentials,
            wasSent: job.wasSent,
            codeSecondsLeft: job.codeSecondsLeft,
            creditShare: nil,
            unixSeconds: clock.unixSeconds
        )
        // Another signup of the same account may have changed it a moment ago.
        if job.step == .shareCreditLine, let wabaID = job.signup.wabaID {
            context.creditShare = try await queue.creditShare(of: wabaID)
        }
        var events: [StepEvent] = []
        for _ in 0..<Self.movesMax {
            context.codeSecondsLeft = job.codeSecondsLeft - (ContinuousClock.now - claimed) / .seconds(1)
            switch job.step.nextMove(context, after: events) {
            case .finish(let verdict):
                return verdict
            case .call(let request):
                if request.endpoint == .exchangeCode { metrics.exchangeBegins(secondsLeft: context.codeSecondsLeft) }
                // A code that is lost must be gone before anything else can end this execution.
                if request.precondition == .codeErased,
                    try await permission(for: request.precondition, lease: lease) != .granted
                {
                    throw LeaseLost()
                }
                if let verdict = await paused(request, job, claimed: claimed) { return verdict }
                if isHeldBack(request, job, isFirst: events.isEmpty) { throw HeldBack() }
                let codeEnd = claimed + .seconds(job.codeSecondsLeft)
                let end = request.endpoint == .exchangeCode ? min(deadline, codeEnd) : deadline
                do {
                    events.append(try await event(of: request, job, lease, credentials, until: end))
                } catch is OutOfTime {
                    let isRecovery = job.step == .exchangeCode && request.endpoint != .exchangeCode
                    return .retry(
                        Problem(code: "deadline", message: "the step's time was over before the call"),
                        isRecovery ? .recovery : .policy
                    )
                }
            }
        }
        return .fail(
            Problem(code: "too_many_calls", message: "the step did not end after \(Self.movesMax) calls"),
            waitingOn: .operator
        )
    }

    /// What rests is left alone. A board that is older than the claim is not believed: the job may be due because an operator
    /// has ended the pause, and would be put off until its old end.
    private func paused(
        _ request: GraphRequest,
        _ job: ClaimedJob,
        claimed: ContinuousClock.Instant
    ) async -> Verdict? {
        let scopes = request.scopes(job.signup)
        guard board.pause(of: scopes) != nil else { return nil }
        if board.askedAt < claimed {
            let asked = ContinuousClock.now
            do throws(PostgresError) {
                board.replace(by: try await queue.throttles(), asked: asked)
            } catch {
                complaints.tell("pauses not read, the last known ones hold", error, level: .debug)
            }
        }
        return board.pause(of: scopes).map { pause in
            .throttle(
                Problem(code: "paused", message: "\(pause.scope.name) is paused: \(pause.reason)"),
                seconds: max(0, (pause.until - .now) / .seconds(1))
            )
        }
    }

    /// Near a limit most of what could begin waits: never a code, whose time runs, never a step in its middle, and never
    /// one whose call may have left and is to be looked after.
    private func isHeldBack(_ request: GraphRequest, _ job: ClaimedJob, isFirst: Bool) -> Bool {
        guard isFirst, job.step != .exchangeCode, !job.wasSent else { return false }
        let share = board.shareLetThrough(request.scopes(job.signup))
        return share < 1 && Double.random(in: 0..<1) >= share
    }

    /// What an answer says about limits is told to all processes before the step goes on.
    private func heed(_ response: GraphResponse, to request: GraphRequest, _ job: ClaimedJob) async -> GraphResponse {
        board.note(response.usage.percents(for: request, of: job.signup))
        guard let throttle = Throttle.demanded(by: response, to: request, at: job.step, of: job.signup) else {
            return response
        }
        board.note(throttle)
        metrics.throttled(throttle)
        var metadata = metadata(job)
        metadata["throttle.scope"] = "\(throttle.scope.name)"
        metadata["throttle.seconds"] = "\(Int(throttle.seconds))"
        metadata["error.code"] = "\(throttle.code)"
        metadata["error.message"] = "\(StorableText.of(throttle.message))"
        if throttle.isCredentials {
            logger.error("our own credentials were refused, what needs them rests", metadata: metadata)
        } else {
            logger.warning("a limit was hit, its scope rests", metadata: metadata)
        }
        do throws(PostgresError) {
            // Longer where the limit was hit again at once, or where a longer pause is on.
            let seconds = try await queue.pause(throttle)
            board.told(throttle.scope)
            return response.naming(max(seconds, throttle.seconds))
        } catch {
            // The answer counts more: this process keeps the pause, and tells the others with its next tick.
            complaints.tell("a pause was not told to other processes yet", error, level: .error)
            return throttle.isNamed ? response.naming(throttle.seconds) : response
        }
    }

    private func event(
        of request: GraphRequest,
        _ job: ClaimedJob,
        _ lease: Lease,
        _ credentials: Credentials,
        until end: ContinuousClock.Instant
    ) async throws -> StepEvent {
        guard hasTime(for: request, job.step, until: end) else { throw OutOfTime() }
        // Granted before the scopes were looked at.
        let wanted: GraphRequest.Precondition = request.precondition == .codeErased ? .none : request.precondition
        switch try await permission(for: wanted, lease: lease) {
        case .leaseLost: throw LeaseLost()
        case .refused(let refusal): return .refused(refusal)
        case .granted: break
        }
        FaultHook.reached(.sentMark, request)
        // The database may have let it wait: what was asked for in time is not sent too late.
        guard hasTime(for: request, job.step, until: end) else {
            try await queue.withdraw(request.precondition, lease: lease)
            throw OutOfTime()
        }
        let seconds = min(job.step.policy.callSeconds, (end - ContinuousClock.now) / .seconds(1))
        let began = ContinuousClock.now
        var answer = await client.send(request, credentials: credentials, seconds: seconds)
        metrics.called(request.endpoint, answer, took: .now - began)
        FaultHook.reached(.effect, request)
        if case .notSent = answer { try await queue.withdraw(request.precondition, lease: lease) }
        if answer.isRefusalWithoutEffect(at: job.step) {
            do throws(PostgresError) {
                try await queue.withdrawRefusedPost(request.precondition, lease: lease)
            } catch {
                // It counts as one that may have left: the account is read back before another.
                complaints.tell("a refused post stays counted", error)
            }
        }
        if case .answered(let response) = answer { answer = .answered(await heed(response, to: request, job)) }
        return .answer(to: request.endpoint, answer)
    }

    /// A call that may not be repeated is not begun with less than its own time left; a code's own time is short, and a second
    /// of it is worth a try.
    private func hasTime(for request: GraphRequest, _ step: Step, until end: ContinuousClock.Instant) -> Bool {
        let needed: Double =
            switch request.precondition {
            case .none: 0
            case .codeErased: 1
            case .sentMark where request.endpoint == .exchangeCode: 1
            case .sentMark, .creditShare, .registerCall: step.policy.callSeconds
            }
        return (end - ContinuousClock.now) / .seconds(1) > needed
    }

    /// Sent marks go to the database in batches, the rest one by one.
    private func permission(
        for precondition: GraphRequest.Precondition,
        lease: Lease
    ) async throws -> JobQueue.Permission {
        guard case .sentMark = precondition else { return try await queue.permission(for: precondition, lease: lease) }
        return try await marks.submit(lease).get()
    }

    /// Opens what is sealed, once for all steps that this worker runs. A plain PIN is sealed by the first worker that meets
    /// it, and one is made where none was given.
    private func credentials(for job: inout ClaimedJob) async throws -> Credentials {
        var credentials = Credentials(appID: installation.appID, appSecret: appSecret, systemToken: systemToken)
        credentials.code = job.secrets.code
        credentials.verifyToken = job.secrets.verifyToken
        // An exchange makes a new token: one of an earlier generation, which may need a key that is gone, must not keep it back.
        if job.step != .exchangeCode, job.secrets.token == nil, let sealed = job.secrets.sealedToken {
            job.secrets.token = try keys.open(sealed, signupID: job.signupID, purpose: .token)
        }
        credentials.businessToken = job.secrets.token
        // The test message may find that the number is to be registered once more.
        let needsPIN =
            job.step == .registerPhone
            || (job.step == .sendTestMessage && job.signup.plan.steps.contains(.registerPhone))
        if let pin = job.secrets.plainPIN ?? (needsPIN && job.secrets.sealedPIN == nil ? Self.makePIN() : nil) {
            let sealed = try keys.seal(pin, signupID: job.signupID, purpose: .pin)
            job.secrets.sealedPIN = try await queue.keepPIN(sealed, signupID: job.signupID)
            job.secrets.plainPIN = nil
        }
        if needsPIN, let sealed = job.secrets.sealedPIN {
            credentials.pin = try keys.open(sealed, signupID: job.signupID, purpose: .pin)
        }
        return credentials
    }

    /// Six digits from the system's generator. Not all the same and not a run: Meta may refuse a PIN that is too plain.
    private static func makePIN() -> Secret {
        while true {
            let digits = (0..<6).map { _ in Int.random(in: 0...9) }
            let steps = Set(zip(digits, digits.dropFirst()).map { $1 - $0 })
            if steps.count > 1 { return Secret(digits.map(String.init).joined()) }
        }
    }

    private func metadata(_ job: ClaimedJob) -> Logger.Metadata {
        ["signup.id": "\(job.signupID)", "job.step": "\(job.step.rawValue)", "job.attempt": "\(job.attempt)"]
    }
}
