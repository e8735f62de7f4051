/// Carries one job out: asks the step for its moves, makes the calls, and hands back what is to be written.
import Crypto
import Foundation
import Logging
import Onboarding
import Postgres

struct JobRunner: Sendable {
    /// More calls than any step makes: a step that would go on for ever ends here.
    static let movesMax = 40

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

    /// - Parameter claimed: when the claim was sent: the lease counts from then.
    /// - Returns: what to settle; nil when the lease was lost or the database could not be asked, and nothing may be
    ///   written: another worker has the job, or will have it when the lease ends.
    func run(_ job: inout ClaimedJob, lease: Lease, claimed: ContinuousClock.Instant) async -> Settlement? {
        let started = ContinuousClock.now
        var verdict: Verdict
        do {
            verdict = try await self.verdict(on: &job, lease: lease, claimed: claimed)
        } catch let error as SealingError {
            verdict = .fail(Problem(code: "sealing_failed", message: error.description), waitingOn: .operator)
        } catch is LeaseLost {
            logger.warning("lease lost before a call", metadata: metadata(job))
            return nil
        } catch {
            var metadata = metadata(job)
            metadata["error"] = "\(error)"
            logger.error("job left to its lease, the database could not be asked", metadata: metadata)
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
            Transition.Job(step: job.step, attempt: job.attempt, secondsUntilGiveUp: job.secondsUntilGiveUp),
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
            unixSeconds: Date().timeIntervalSince1970
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
                if let verdict = holdUp(request, job, isFirst: events.isEmpty) { return verdict }
                let left = (deadline - ContinuousClock.now) / .seconds(1)
                let limit = request.endpoint == .exchangeCode ? min(left, context.codeSecondsLeft) : left
                // A call that may not be repeated is not begun with less than its own time left.
                if limit <= 0 || (request.precondition != .none && limit < min(policy.callSeconds, 1)) {
                    let isRecovery = job.step == .exchangeCode && request.endpoint != .exchangeCode
                    return .retry(
                        Problem(code: "deadline", message: "the step's time was over before the call"),
                        isRecovery ? .recovery : .policy
                    )
                }
                events.append(
                    try await event(of: request, job, lease, credentials, seconds: min(policy.callSeconds, limit))
                )
            }
        }
        return .fail(
            Problem(code: "too_many_calls", message: "the step did not end after \(Self.movesMax) calls"),
            waitingOn: .operator
        )
    }

    /// What rests is left alone, and near a limit most of what could begin waits: never a code, whose time runs, and never a
    /// step in its middle.
    private func holdUp(_ request: GraphRequest, _ job: ClaimedJob, isFirst: Bool) -> Verdict? {
        let scopes = request.scopes(job.signup)
        if let pause = board.pause(of: scopes) {
            return .throttle(
                Problem(code: "paused", message: "\(pause.scope.name) is paused: \(pause.reason)"),
                seconds: max(0, (pause.until - .now) / .seconds(1))
            )
        }
        guard isFirst, job.step != .exchangeCode else { return nil }
        let share = board.shareLetThrough(scopes)
        guard share < 1, Double.random(in: 0..<1) >= share else { return nil }
        return .throttle(
            Problem(code: "paused", message: "Graph says that its limit is near: only a part of the calls is made"),
            seconds: ThrottleBoard.holdBackSeconds
        )
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
        do {
            _ = try await queue.pause(throttle)
        } catch {
            // The answer counts more: this process keeps the pause, and the others meet the limit themselves.
            logger.error("a pause was not told to other processes", metadata: ["error": "\(error)"])
        }
        return throttle.isNamed ? response.naming(throttle.seconds) : response
    }

    private func event(
        of request: GraphRequest,
        _ job: ClaimedJob,
        _ lease: Lease,
        _ credentials: Credentials,
        seconds: Double
    ) async throws -> StepEvent {
        // Granted before the scopes were looked at.
        let wanted: GraphRequest.Precondition = request.precondition == .codeErased ? .none : request.precondition
        switch try await permission(for: wanted, lease: lease) {
        case .leaseLost: throw LeaseLost()
        case .refused(let refusal): return .refused(refusal)
        case .granted: break
        }
        FaultHook.reached(.sentMark, request)
        let began = ContinuousClock.now
        var answer = await client.send(request, credentials: credentials, seconds: seconds)
        metrics.called(request.endpoint, answer, took: .now - began)
        FaultHook.reached(.effect, request)
        if case .notSent = answer { try await queue.withdraw(request.precondition, lease: lease) }
        if answer.isRefusalWithoutEffect(at: job.step) {
            do {
                try await queue.withdrawRefusedPost(request.precondition, lease: lease)
            } catch {
                // It counts as one that may have left: the account is read back before another.
                logger.warning("a refused post stays counted", metadata: ["error": "\(error)"])
            }
        }
        if case .answered(let response) = answer { answer = .answered(await heed(response, to: request, job)) }
        return .answer(to: request.endpoint, answer)
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
        if job.secrets.token == nil, let sealed = job.secrets.sealedToken {
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
