import Onboarding
import Testing

@Suite("A plan")
struct PlanTests {
    static let cloudAPI = [
        "exchange_code", "verify_grant", "subscribe_app", "assign_system_user", "share_credit_line", "register_phone",
    ]

    @Test("goes from each step to the one behind it, and ends")
    func next() throws {
        let plan = try Plan(stepNames: Self.cloudAPI)
        var walked: [Step] = []
        var step: Step? = plan.steps.first
        while let current = step, walked.count < 10 {
            walked.append(current)
            step = plan.next(after: current)
        }
        #expect(walked.map(\.rawValue) == Self.cloudAPI)
        #expect(plan.next(after: .syncContacts) == nil, "a step outside the plan leads nowhere")
    }

    @Test(
        "knows what had to be done before a step",
        arguments: [(Step.exchangeCode, 0), (.shareCreditLine, 4), (.registerPhone, 5)]
    )
    func before(step: Step, count: Int) throws {
        let plan = try Plan(stepNames: Self.cloudAPI)
        #expect(plan.stepsBefore(step).map(\.rawValue) == Array(Self.cloudAPI.prefix(count)))
    }

    @Test(
        "refuses a row that no version wrote, and says why",
        arguments: [
            ([], MalformedPlan.empty),
            (["exchange_code", "send_money"], .unknownStep("send_money")),
            (["subscribe_app", "exchange_code"], .outOfOrder(.exchangeCode)),
            (["exchange_code", "exchange_code"], .outOfOrder(.exchangeCode)),
        ]
    )
    func malformed(names: [String], expected: MalformedPlan) {
        #expect(throws: expected) { try Plan(stepNames: names) }
    }
}

@Suite("The public names")
struct NameTests {
    @Test("of the steps are those of the contract, in its order")
    func steps() {
        let contract = [
            "exchange_code", "verify_grant", "subscribe_app", "assign_system_user", "share_credit_line",
            "register_phone",
            "sync_contacts", "sync_history", "send_test_message",
        ]
        #expect(Step.allCases.map(\.rawValue) == contract)
        #expect(Step.allCases.sorted() == Step.allCases)
    }

    @Test("of the flows and modes are those of the contract")
    func flowsAndModes() {
        #expect(Flow.allCases.map(\.rawValue) == ["cloud_api", "only_waba", "coexistence", "api_access_only"])
        #expect(PartnerMode.allCases.map(\.rawValue) == ["solution-partner", "tech-provider"])
    }
}
