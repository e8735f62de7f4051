import Onboarding
import Testing

/// Meta documents no answer to a second share of the same account, so every case here is about not posting.
@Suite("Sharing a credit line")
struct CreditShareTests {
    static let unfunded = StepEvent.ok(
        .readAccount,
        ["id": .string(Fixture.wabaID), "owner_business_info": ["id": .string(Fixture.businessID), "name": "Acme"]]
    )
    static let funded = StepEvent.ok(
        .readAccount,
        [
            "id": .string(Fixture.wabaID), "primary_funding_id": "777",
            "owner_business_info": ["id": .string(Fixture.businessID), "name": "Acme"],
        ]
    )
    static let posted = StepEvent.ok(
        .shareCreditLine,
        ["allocation_config_id": .string(Fixture.allocationID), "waba_id": .string(Fixture.wabaID)]
    )
    static let listed = StepEvent.ok(.listAllocations, ["data": [["id": .string(Fixture.allocationID)]]])
    static let ours = StepEvent.ok(
        .readAllocation,
        ["id": .string(Fixture.allocationID), "receiving_credential": ["id": "777"]]
    )
    static let others = StepEvent.ok(
        .readAllocation,
        ["id": .string(Fixture.allocationID), "receiving_credential": ["id": "778"]]
    )

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let events: [StepEvent]
        let expected: String
        var change: @Sendable (inout StepContext) -> Void = { _ in }
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "the account is read first", events: [], expected: "call read_account"),
        Case(
            name: "what is said of another account is not said of ours",
            events: [.ok(.readAccount, ["id": "9"])],
            expected: "retry malformed_answer"
        ),
        Case(name: "an unfunded account is posted", events: [unfunded], expected: "call share_credit_line"),
        Case(name: "the allocation's id ends it", events: [unfunded, posted], expected: "done"),
        Case(name: "a funded account is not posted", events: [funded], expected: "call list_allocations"),
        Case(name: "each allocation is compared", events: [funded, listed], expected: "call read_allocation"),
        Case(name: "a match is a share that was done", events: [funded, listed, ours], expected: "done"),
        Case(
            name: "an allocation alone proves nothing",
            events: [funded, listed, others],
            expected: "fail funded_elsewhere, operator"
        ),
        Case(
            name: "funded, and no allocation of ours",
            events: [funded, .ok(.listAllocations, ["data": []])],
            expected: "fail funded_elsewhere, operator"
        ),
        Case(
            name: "a revoked allocation does not count",
            events: [funded, .ok(.listAllocations, ["data": [["id": "5", "request_status": "DELETED"]]])],
            expected: "fail funded_elsewhere, operator"
        ),
        Case(
            name: "a bare object is an edge of one",
            events: [funded, .ok(.listAllocations, ["id": "5", "receiving_business": ["id": "9"]])],
            expected: "call read_allocation"
        ),
        Case(
            name: "a stored allocation is read without a list",
            events: [funded],
            expected: "call read_allocation",
            change: { $0.signup.allocationConfigID = "5" }
        ),
        Case(
            name: "a lost answer is read back at once",
            events: [unfunded, .silent(.shareCreditLine)],
            expected: "call read_account"
        ),
        Case(
            name: "so is a server's fault",
            events: [unfunded, .html(.shareCreditLine, status: 502)],
            expected: "call read_account"
        ),
        Case(
            name: "so is an answer without the id",
            events: [unfunded, .ok(.shareCreditLine, ["success": true])],
            expected: "call read_account"
        ),
        Case(
            name: "it had happened",
            events: [unfunded, .silent(.shareCreditLine), funded, listed, ours],
            expected: "done"
        ),
        Case(
            name: "it is not visible yet",
            events: [unfunded, .silent(.shareCreditLine), unfunded],
            expected: "retry no_answer in 60 s"
        ),
        Case(
            name: "a minute has not passed",
            events: [unfunded],
            expected: "retry effect_uncertain in 60 s",
            change: { $0.creditShare = .init(signupID: 4711, posts: 1, secondsSincePost: 59) }
        ),
        Case(
            name: "a minute later it is posted once more",
            events: [unfunded],
            expected: "call share_credit_line",
            change: { $0.creditShare = .init(signupID: 4711, posts: 1, secondsSincePost: 60) }
        ),
        Case(
            name: "and never a third time",
            events: [unfunded],
            expected: "uncertain effect_uncertain",
            change: { $0.creditShare = .init(signupID: 4711, posts: 2, secondsSincePost: 61) }
        ),
        Case(
            name: "another signup is at it",
            events: [unfunded],
            expected: "wait credit_share_elsewhere for 60 s",
            change: { $0.creditShare = .init(signupID: 8, posts: 1, secondsSincePost: 600) }
        ),
        Case(
            name: "another signup was at it, has ended a moment ago, and its share may not be visible yet",
            events: [unfunded],
            expected: "wait credit_share_elsewhere for 60 s",
            change: { $0.creditShare = .init(signupID: 8, posts: 1, secondsSincePost: 59, hasEnded: true) }
        ),
        Case(
            name: "another signup was at it and has ended: nothing comes of it by waiting",
            events: [unfunded],
            expected: "fail credit_share_elsewhere, operator",
            change: { $0.creditShare = .init(signupID: 8, posts: 1, secondsSincePost: 60, hasEnded: true) }
        ),
        Case(
            name: "another signup was faster",
            events: [unfunded, .refused(.creditShareElsewhere(signupID: 8))],
            expected: "wait credit_share_elsewhere for 60 s"
        ),
        Case(
            name: "what was provably unsent may go again",
            events: [unfunded, .unsent(.shareCreditLine)],
            expected: "retry not_sent"
        ),
        Case(
            name: "an app that is not entitled",
            events: [unfunded, .error(.shareCreditLine, 3, status: 400)],
            expected: "fail 3, operator"
        ),
        Case(
            name: "another account was attached",
            events: [unfunded, .ok(.shareCreditLine, ["allocation_config_id": "5", "waba_id": "6"])],
            expected: "fail other_waba, operator"
        ),
        Case(name: "a reading that fails is read again", events: [.silent(.readAccount)], expected: "retry no_answer"),
        // What names no account does not say that nothing funds it: a post would be the second.
        Case(name: "an empty answer", events: [.ok(.readAccount, [:])], expected: "retry malformed_answer"),
        Case(
            name: "an answer about nothing",
            events: [.ok(.readAccount, ["success": true])],
            expected: "retry malformed_answer"
        ),
        Case(
            name: "an answer about another account",
            events: [.ok(.readAccount, ["id": "6", "owner_business_info": ["id": "9"]])],
            expected: "retry malformed_answer"
        ),
        Case(
            name: "a list that is none",
            events: [funded, .ok(.listAllocations, ["success": true])],
            expected: "retry malformed_answer"
        ),
        Case(
            name: "an answer about another allocation",
            events: [funded, listed, .ok(.readAllocation, ["id": "6", "receiving_credential": ["id": "777"]])],
            expected: "retry malformed_answer"
        ),
    ]

    /// The method of two calls: an allocation for the customer's business, and its attachment to the account. Each leaves
    /// twice at most (contract: CRED, "alternate method").
    private static func two(
        _ name: String,
        _ events: [StepEvent],
        _ expected: String,
        _ change: @escaping @Sendable (inout StepContext) -> Void = { _ in }
    ) -> Case {
        Case(name: "two calls: \(name)", events: events, expected: expected) {
            $0.installation.creditMethod = .shareThenAttach
            change(&$0)
        }
    }

    static let none = StepEvent.ok(.listAllocations, ["data": []])
    static let allocated = StepEvent.ok(
        .shareAllocation,
        ["success": true, "allocation_config_id": .string(Fixture.allocationID)]
    )
    static let attached = StepEvent.ok(
        .attachAllocation,
        ["success": true, "waba_id": .string(Fixture.wabaID), "allocation_config_id": .string(Fixture.allocationID)]
    )

    static let twoCalls = [
        two("allocations are looked for first", [unfunded], "call list_allocations"),
        two("one is made where there is none", [unfunded, none], "call share_allocation"),
        two("a list that is none", [unfunded, .ok(.listAllocations, [:])], "retry malformed_answer"),
        two("and attached", [unfunded, none, allocated], "call attach_allocation"),
        two("which ends it", [unfunded, none, allocated, attached], "done"),
        two("one that is there is not made again", [unfunded, listed], "call attach_allocation"),
        two("a lost share is read back", [unfunded, none, .silent(.shareAllocation)], "call read_account"),
        two(
            "it had happened, and is attached",
            [unfunded, none, .silent(.shareAllocation), unfunded, listed],
            "call attach_allocation"
        ),
        two(
            "it is not visible yet",
            [unfunded, none, .silent(.shareAllocation), unfunded, none],
            "retry no_answer in 60 s"
        ),
        two(
            "a lost attachment had happened",
            [unfunded, listed, .silent(.attachAllocation), funded, listed, ours],
            "done"
        ),
        two(
            "a lost attachment is not visible yet",
            [unfunded, listed, .silent(.attachAllocation), unfunded, listed],
            "retry no_answer in 60 s"
        ),
        two("shares do not count as attachments", [unfunded, listed], "call attach_allocation") {
            $0.creditShare = .init(signupID: 4711, posts: 2, secondsSincePost: 1)
        },
        two("no third share", [unfunded, none], "uncertain effect_uncertain") {
            $0.creditShare = .init(signupID: 4711, posts: 2, secondsSincePost: 61)
        },
        two("no third attachment", [unfunded, listed], "uncertain effect_uncertain") {
            $0.creditShare = .init(signupID: 4711, posts: 1, attachments: 2, secondsSincePost: 61)
        },
    ]

    @Test("goes as the rules for money have it", arguments: cases + twoCalls)
    func move(_ one: Case) throws {
        let context = try Fixture.context(one.change)
        #expect(Step.shareCreditLine.nextMove(context, after: one.events).summary == one.expected)
    }
}
