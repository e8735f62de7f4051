/// The matrix where it is another one: the credit line by two calls, the flows with fewer steps, and a partner that shares no line.
import Foundation
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct FaultMatrixFlowTests {
    typealias Case = FaultMatrixTests.Case

    private static let passes = FaultMatrixTests.lost + FaultMatrixTests.passing
    private static let limits = FaultMatrixTests.limits
    private static let operators = ["code:3", "code:10", "code:100", "code:424242", "code:135000"]

    // MARK: Two calls

    private static var twoCalls: [Case] {
        var cases = FaultMatrixTests.each(
            "share_allocation",
            passes,
            limits,
            ["code:506", "code:1752041", "code:190"],
            ends: "completed"
        )
        // Given access once more, and then shared.
        cases += FaultMatrixTests.each("share_allocation", ["code:200", "code:200/1349174"], ends: "completed")
        cases += FaultMatrixTests.each("share_allocation", operators, ends: "failed # operator")
        cases += FaultMatrixTests.each("share_allocation", ["code:134011"], ends: "failed # customer")
        cases += FaultMatrixTests.each(
            "attach_allocation",
            passes,
            limits,
            ["code:506", "code:1752041"],
            ends: "completed"
        )
        cases += FaultMatrixTests.each(
            "attach_allocation",
            ["code:190", "code:190/463", "code:134011"],
            ends: "failed # customer"
        )
        cases += FaultMatrixTests.each("attach_allocation", operators + ["code:200"], ends: "failed # operator")
        cases += FaultMatrixTests.each("list_allocations", passes, limits, ["code:190"], ends: "completed")
        cases += FaultMatrixTests.each("list_allocations", operators + ["code:200"], ends: "failed # operator")
        // The one that is read when the attachment's answer was lost.
        for fault in passes + ["code:4", "code:190"] {
            let faults = ["attach_allocation": ["reset_after"], "read_allocation": [fault]]
            cases.append(Case(faults: faults, ends: "completed"))
        }
        cases.append(
            Case(
                faults: ["attach_allocation": ["reset_after"], "read_allocation": ["code:200"]],
                ends: "failed # operator"
            )
        )
        let never = "failed effect_uncertain operator"
        cases.append(Case(faults: ["share_allocation": ["reset_before", "reset_before"]], ends: never))
        cases.append(Case(faults: ["attach_allocation": ["reset_before", "reset_before"]], ends: never))
        return cases
    }

    @Test(arguments: [false, true])
    func `A line that is shared by two calls is shared and attached once, whatever fails`(
        pausesAll: Bool
    ) async throws {
        try await script("UPDATE embark.installation SET credit_method = 'share-then-attach'")
        let cases = Self.twoCalls.filter { FaultMatrixTests.pausesAll($0) == pausesAll }
        #expect(cases.count > 20)
        try await FaultMatrixTests.run(cases)
    }

    // MARK: Other flows and partners

    /// Calls that every flow has, and what has to be so of them in each.
    private static func common(_ flow: String) -> [Case] {
        var cases: [Case] = []
        for endpoint in ["debug_token", "subscribe_app"] {
            cases += FaultMatrixTests.each(
                endpoint,
                passes,
                ["code:80007", "code:17", "code:613", "code:130429"],
                ends: "completed"
            )
            cases += FaultMatrixTests.each(endpoint, ["code:424242", "code:100"], ends: "failed # operator")
        }
        cases += FaultMatrixTests.each("subscribe_app", ["code:190", "code:102"], ends: "failed # customer")
        cases += FaultMatrixTests.each("subscribe_app", ["code:200"], ends: "failed # operator")
        cases += FaultMatrixTests.each(
            "exchange_code",
            ["reset_after", "http500", "code:100/36009"],
            ends: "completed"
        )
        return cases.map {
            var one = $0
            one.flow = flow
            return one
        }
    }

    @Test func `The flows with fewer steps end as they must at each of their calls`() async throws {
        let cases = ["only_waba", "api_access_only", "coexistence"].flatMap(Self.common)
        try await FaultMatrixTests.run(cases.filter { !FaultMatrixTests.pausesAll($0) })
    }

    @Test func `A partner without a credit line needs no system user, and its customer pays`() async throws {
        try await script("UPDATE embark.installation SET partner_mode = 'tech-provider'")
        var cases = Self.common("cloud_api")
        cases += FaultMatrixTests.each(
            "register_phone",
            Self.passes,
            ["code:133004", "code:133015", "code:133016"],
            ends: "completed"
        )
        cases += FaultMatrixTests.each(
            "register_phone",
            ["code:133005", "code:133006", "code:133008"],
            ends: "failed # customer"
        )
        cases += FaultMatrixTests.each("send_test_message", ["code:131042"], ends: "completed test_message_failed")
        try await FaultMatrixTests.run(cases.filter { !FaultMatrixTests.pausesAll($0) })
        #expect(try await count("embark.attempts WHERE step IN ('assign_system_user', 'share_credit_line')") == 0)
    }
}
