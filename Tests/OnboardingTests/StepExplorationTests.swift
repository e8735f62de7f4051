/// No sequence of answers, deaths of workers and executions leads to a call that may not be made.
import Testing

@testable import Onboarding

@Suite("A step, whatever its calls answer")
struct StepExplorationTests {
    /// What every exploration of a step counts, so that none can pass by doing nothing.
    private final class Count {
        var calls = 0
        var executions = 0
        var records = 0
        var callsMax = 0
        var verdicts: Set<String> = []
    }

    /// Explores a step from each of its contexts, and lets `check` look at each call that is about to be made.
    private func explore(
        _ step: Step,
        _ contexts: [StepContext],
        check: @escaping (_ calls: [StepExploration.Call], _ next: GraphRequest, _ record: StepRecord) -> Void,
        atEnd: @escaping (_ calls: [StepExploration.Call], Verdict, _ record: StepRecord) -> Void = { _, _, _ in }
    ) throws -> Count {
        let count = Count()
        for context in contexts {
            let plan = context.signup.plan
            count.records += StepExploration.reach(from: StepRecord(hasCode: context.credentials.code != nil)) {
                start,
                reached in
                StepExploration(
                    step: step,
                    context: context,
                    inspect: { calls, next, record in
                        count.callsMax = max(count.callsMax, calls.count)
                        guard let next else { return }
                        count.calls += 1
                        Self.hold(Self.isWellFormed(next), "\(next)")
                        check(calls, next, record)
                    },
                    end: { calls, end, record in
                        count.executions += 1
                        var record = record
                        // What is on record of the shares says it, and they alone are looked at.
                        if step == .shareCreditLine { record.wasSent = false }
                        switch end {
                        case .killed: reached(record)
                        case .verdict(let verdict):
                            count.verdicts.insert(Self.kind(verdict))
                            Self.expectSayable(verdict, step)
                            atEnd(calls, verdict, record)
                            let job = Transition.Job(step: step, attempt: 1, canRecover: true)
                            let transition = Transition(job, plan: plan, verdict: verdict, jitter: 0)
                            guard case .again(let seconds, _) = transition.next else { return }
                            // Settling takes the mark back, and what was posted may be visible by the next execution.
                            record.wasSent = false
                            if seconds >= Double(ShareCreditLine.readBackSeconds) { record.isOldPost = true }
                            reached(record)
                        }
                    }
                ).execute(start)
            }
        }
        let summary = "\(count.records) records, \(count.executions) executions, \(count.calls) calls"
        print("\(step.rawValue): \(summary), at most \(count.callsMax) calls an execution")
        return count
    }

    /// Ids alone enter a path, and what must not be repeated names what has to be on record first.
    private static func isWellFormed(_ request: GraphRequest) -> Bool {
        let words: Set<String> = [
            "oauth", "access_token", "system_user_access_tokens", "debug_token", "phone_numbers", "subscribed_apps",
            "assigned_users", "owning_credit_allocation_configs", "whatsapp_credit_sharing_and_attach",
            "whatsapp_credit_sharing", "whatsapp_credit_attach", "register", "deregister", "smb_app_data", "messages",
        ]
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let precondition: Bool =
            switch request.endpoint {
            case .exchangeCode, .syncAppData, .sendTestMessage: request.precondition == .sentMark
            case .recoverToken: request.precondition == .codeErased
            case .registerPhone, .deregisterPhone:
                request.precondition == .registerCall(phoneNumberID: parts[0])
            case .shareCreditLine, .shareAllocation: request.precondition == .creditShare(wabaID: Fixture.wabaID)
            case .attachAllocation:
                request.precondition == .creditShare(wabaID: Fixture.wabaID, attaches: true)
            case .debugToken, .phoneNumbers, .subscribeApp, .readSubscriptions, .assignSystemUser, .readAssignedUsers,
                .readAccount, .listAllocations, .readAllocation, .readPhone:
                request.precondition == .none
            }
        return precondition && parts.allSatisfy { words.contains($0) || Installation.isGraphID($0) }
    }

    private static func kind(_ verdict: Verdict) -> String {
        switch verdict {
        case .done: "done"
        case .retry(_, let patience): patience.isRecovery ? "recovery" : "retry"
        case .wait: "wait"
        case .throttle: "throttle"
        case .fail(_, let party): "fail \(party.rawValue)"
        case .uncertain: "uncertain"
        }
    }

    /// A person can be told what it means, and times are such that a job can be due then.
    private static func expectSayable(_ verdict: Verdict, _ step: Step) {
        switch verdict {
        case .done: break
        case .throttle(let problem, let seconds):
            hold(Throttle.secondsRange.contains(seconds), "\(verdict)")
            expectKnown(problem, nil, step)
        case .wait(let problem, let seconds):
            hold((1...300).contains(seconds), "\(verdict)")
            expectKnown(problem, nil, step)
        case .retry(let problem, _), .uncertain(let problem): expectKnown(problem, nil, step)
        case .fail(let problem, let party): expectKnown(problem, party, step)
        }
    }

    private static func expectKnown(_ problem: Problem, _ party: Party?, _ step: Step) {
        // What Meta says with a code that nobody has seen is shown in its own words.
        hold(KnownCodes.explains(problem.code, party, step), "\(problem.code) at \(step), \(party as Any)")
        hold(!problem.message.isEmpty, problem.code)
    }

    private func contexts(_ changes: [(inout StepContext) -> Void]...) throws -> [StepContext] {
        var contexts = [try Fixture.context()]
        for choices in changes {
            contexts = contexts.flatMap { context in
                choices.map { change in
                    var context = context
                    change(&context)
                    return context
                }
            }
        }
        return contexts
    }

    private func isUnknown(_ call: StepExploration.Call, at step: Step) -> Bool {
        guard let answer = call.answer else { return false }
        if case .unknown = CallOutcome(answer).withDoubt(at: step) { return true }
        return false
    }

    private func isValue(_ call: StepExploration.Call) -> Bool {
        if let answer = call.answer, case .value = CallOutcome(answer) { true } else { false }
    }

    /// As #expect, for what is looked at a million times.
    private static func hold(_ condition: Bool, _ what: @autoclosure () -> String) {
        if !condition { Issue.record("\(what())") }
    }

    // MARK: The steps

    @Test func `A code is sent once at most, and never after its token was asked for without it`() throws {
        let count = try explore(
            .exchangeCode,
            try contexts(
                [{ _ in }, { $0.signup.businessID = nil }, { $0.credentials.systemToken = nil }],
                [{ _ in }, { $0.codeSecondsLeft = -1 }, { $0.credentials.code = nil }],
                [{ _ in }, { $0.signup.wabaID = nil }]
            )
        ) { calls, next, record in
            guard next.endpoint == .exchangeCode else { return }
            Self.hold(calls.isEmpty && record.effects == 0 && record.hasCode && !record.wasSent, "\(calls)")
        } atEnd: { _, _, record in
            Self.hold(record.effects <= 1, "\(record)")
        }
        #expect(count.records >= 30 && count.executions >= 2_000 && count.callsMax == 3)
        #expect(count.verdicts == ["done", "retry", "recovery", "throttle", "fail customer", "fail operator"])
    }

    @Test func `The steps that set a state or only read end within their calls`() throws {
        let ids: [(inout StepContext) -> Void] = [{ _ in }, { $0.signup.wabaID = nil }]
        let grant = try explore(
            .verifyGrant,
            try contexts(
                ids,
                [{ _ in }, { $0.signup.phoneNumberID = nil }],
                [{ _ in }, { $0.signup.flow = .onlyWABA }]
            )
        ) { _, _, _ in }
        #expect(grant.callsMax == 1 + VerifyGrant.pagesMax && grant.executions >= 1_200)
        let subscription = try explore(
            .subscribeApp,
            try contexts(ids, [{ _ in }, { $0.signup.overrideCallbackURI = "https://example.com" }])
        ) { calls, next, _ in
            // The override only behind the plain call, which would remove it.
            Self.hold((next.body != .empty) == (calls.count == 1 && next.endpoint == .subscribeApp), "\(calls)")
        }
        #expect(subscription.callsMax == 3 && subscription.executions >= 250)
        let user = try explore(
            .assignSystemUser,
            try contexts(
                ids,
                [{ _ in }, { $0.installation.businessID = "42" }, { $0.installation.systemUserID = nil }]
            )
        ) { _, _, _ in }
        #expect(user.callsMax == 2 && user.executions >= 150)
    }

    @Test func `A credit line is posted only to an account that was just read and shows none, and twice at most`()
        throws
    {
        let posts: Set<Endpoint> = [.shareCreditLine, .shareAllocation, .attachAllocation]
        let count = try explore(
            .shareCreditLine,
            try contexts([{ _ in }, { $0.installation.creditMethod = .shareThenAttach }])
                + contexts([{ $0.installation.systemUserID = nil }, { $0.signup.allocationConfigID = "58" }])
        ) { calls, next, record in
            guard posts.contains(next.endpoint) else { return }
            let attaches = next.endpoint == .attachAllocation
            Self.hold((attaches ? record.attachments : record.posts) < ShareCreditLine.postsMax, "\(record)")
            let since = calls.lastIndex { posts.contains($0.request.endpoint) }.map { calls[($0 + 1)...] } ?? calls[...]
            let read = since.last { $0.request.endpoint == .readAccount }
            Self.hold(read.map(isValue) == true || next.endpoint == .attachAllocation, "\(calls)")
            if let read, case .answered(let response)? = read.answer, case .value(let value) = response.content {
                Self.hold(value["id"]?.id == Fixture.wabaID && value["primary_funding_id"] == nil, "\(calls)")
            }
            // Nothing is sent again in an execution that does not know what became of it.
            let doubtful = calls.filter { posts.contains($0.request.endpoint) && isUnknown($0, at: .shareCreditLine) }
            Self.hold(doubtful.allSatisfy { $0.request.endpoint != next.endpoint }, "\(calls)")
        } atEnd: { _, _, record in
            Self.hold(
                record.posts <= ShareCreditLine.postsMax && record.attachments <= ShareCreditLine.postsMax,
                "\(record)"
            )
        }
        #expect(
            count.records >= 30 && count.executions >= 90_000 && count.callsMax <= 14,
            "\(count.records) \(count.executions)"
        )
        #expect(count.verdicts.isSuperset(of: ["done", "retry", "wait", "throttle", "fail operator", "uncertain"]))
    }

    @Test func `A number is registered after its status was read, four times at most`() throws {
        let calls: Set<Endpoint> = [.registerPhone, .deregisterPhone]
        let count = try explore(
            .registerPhone,
            try contexts([{ _ in }, { $0.credentials.pin = nil }, { $0.signup.dataLocalizationRegion = "DE" }])
        ) { before, next, record in
            guard calls.contains(next.endpoint) else { return }
            Self.hold(before.first?.request.endpoint == .readPhone && before.first.map(isValue) == true, "\(before)")
            Self.hold(record.registerCalls <= StepExploration.registerCallsMax, "\(record)")
            let doubtful = before.filter { calls.contains($0.request.endpoint) && isUnknown($0, at: .registerPhone) }
            Self.hold(doubtful.isEmpty, "\(before)")
        } atEnd: { calls, _, record in
            Self.hold(record.registerCalls <= StepExploration.registerCallsMax, "\(record)")
            Self.hold(calls.count { $0.request.endpoint == .deregisterPhone } <= 1, "\(calls)")
            Self.hold(calls.count { $0.request.endpoint == .registerPhone } <= 3, "\(calls)")
        }
        #expect(
            count.records >= 15 && count.executions >= 13_000 && count.callsMax <= 7,
            "\(count.records) \(count.executions)"
        )
        #expect(count.verdicts.isSuperset(of: ["done", "retry", "wait", "throttle", "fail customer", "fail operator"]))
    }

    @Test func `A message and a synchronisation have their effect once at most`() throws {
        for step in [Step.syncContacts, .syncHistory, .sendTestMessage] {
            let count = try explore(
                step,
                try contexts(
                    [{ _ in }, { $0.signup.phoneNumberID = nil }, { $0.signup.testRecipient = nil }],
                    [{ _ in }, { $0.credentials.pin = nil }]
                )
            ) { calls, next, record in
                guard next.precondition == .sentMark else { return }
                Self.hold(record.effects == 0 && !record.wasSent || !calls.isEmpty, "\(calls)")
                Self.hold(record.effects == 0, "\(calls)")
            } atEnd: { _, verdict, record in
                Self.hold(record.effects <= 1, "\(record)")
                if record.effects == 1, case .retry = verdict { Issue.record("tries again what may have left") }
            }
            #expect(
                count.records >= 10 && count.executions >= 200 && count.callsMax <= 3,
                "\(count.records) \(count.executions)"
            )
            #expect(count.verdicts.isSuperset(of: ["done", "retry", "throttle", "fail operator", "uncertain"]))
        }
    }
}
