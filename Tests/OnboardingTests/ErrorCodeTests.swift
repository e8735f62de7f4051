/// What each of Meta's codes leads to, written by hand: from "WhatsApp error codes" and the pages beside it, a line for each row.
import Testing

@testable import Onboarding

@Suite("An error code of Graph's") struct ErrorCodeTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let codes: [Int]
        var subcode: Int?
        var status = 400
        /// The verdict for a call of the customer's token, and of our system user's where that differs.
        let business: String
        var system: String?
        var testDescription: String { "\(codes.map(String.init).joined(separator: ", ")): \(business)" }

        func expected(_ text: String, _ code: Int) -> String {
            text.replacing("#", with: subcode.map { "\(code)/\($0)" } ?? "\(code)")
        }
    }

    /// At a step that sets a state, so that nothing is doubtful.
    static let table = [
        // Authentication: the customer's token is the customer's move, ours makes what needs it wait.
        Row(
            codes: [0, 102, 190, 450, 458, 459, 460, 463, 464, 467, 469],
            status: 401,
            business: "fail #, customer",
            system: "throttle # for 300 s"
        ),
        Row(
            codes: [190],
            subcode: 463,
            status: 401,
            business: "fail #, customer",
            system: "throttle # for 300 s"
        ),
        Row(codes: [104], status: 401, business: "fail #, operator"),
        // Server faults, by how long they are worth a try.
        Row(codes: [1], business: "retry # ≤2"),
        Row(codes: [2], status: 503, business: "retry #"),
        Row(codes: [131_000], status: 500, business: "retry # ≤3"),
        Row(codes: [131_016], status: 500, business: "retry #"),
        Row(codes: [133_004], status: 503, business: "retry #"),
        Row(codes: [131_057, 2_494_100], status: 500, business: "retry # slowly"),
        Row(codes: [131_056], business: "retry # slowly"),
        Row(codes: [2200], business: "retry # ≤3"),
        // Permissions and policies.
        Row(codes: [3], status: 500, business: "fail #, operator"),
        Row(codes: [5], status: 403, business: "fail #, operator"),
        Row(codes: [10, 200, 210, 299, 131_005], status: 403, business: "fail #, operator"),
        Row(codes: [200], subcode: 1_349_174, status: 403, business: "fail #, operator"),
        Row(codes: [368], status: 403, business: "fail #, operator"),
        // Objects that are not there, or not yet to be seen.
        Row(codes: [33], business: "retry # ≤3 in 5, 15, 35 s"),
        Row(codes: [100], subcode: 33, business: "retry # ≤3 in 5, 15, 35 s"),
        Row(codes: [803], status: 404, business: "retry # ≤3 in 5, 15, 35 s"),
        Row(codes: [100, 101, 191, 131_008, 131_009, 135_000], business: "fail #, operator"),
        Row(codes: [100], subcode: 2_388_199, business: "fail #, operator"),
        // Limits, with the pause that holds when Graph names none.
        Row(codes: [4, 32, 341], business: "throttle # for 900 s"),
        Row(codes: [4], subcode: 2_446_079, business: "throttle # for 900 s"),
        Row(codes: [4], status: 429, business: "throttle # for 900 s"),
        Row(codes: [17], business: "throttle # for 900 s"),
        Row(codes: [613], status: 422, business: "throttle # for 3600 s"),
        Row(codes: [80_007, 80_008], business: "throttle # for 900 s"),
        Row(codes: [130_429], business: "throttle # for 60 s"),
        Row(codes: [133_009], business: "throttle # for 300 s"),
        Row(codes: [133_016], business: "throttle # for 259200 s"),
        Row(codes: [133_008], business: "fail #, customer"),
        // What only the customer can mend.
        Row(codes: [133_005, 133_006, 134_011, 131_037], business: "fail #, customer"),
        Row(codes: [131_031], status: 403, business: "fail #, customer"),
        Row(codes: [2_388_001, 2_388_012, 2_388_091, 2_388_093, 2_388_103], business: "fail #, customer"),
        Row(codes: [2_593_108], business: "fail #, customer"),
        // A solution partner pays itself.
        Row(codes: [131_042], business: "fail #, operator"),
        Row(codes: [131_021, 131_026, 131_030, 131_047], business: "fail #, operator"),
        Row(codes: [131_048, 131_049, 131_050], business: "fail #, operator"),
        Row(codes: [131_051, 131_052, 131_053], business: "fail #, operator"),
        Row(codes: [2_593_079, 2_593_085], business: "fail #, operator"),
        Row(codes: [133_015], business: "retry # in 300 s slowly"),
        // Done before, at the steps of a synchronisation alone.
        Row(codes: [2_593_107, 2_593_109], business: "fail #, operator"),
        // Nobody knows them.
        Row(codes: [424_242], business: "fail #, operator"),
        Row(codes: [424_242], status: 500, business: "retry # ≤3"),
        Row(codes: [-1], business: "fail #, operator"),
    ]

    @Test("has the verdict of its row, whoever's token the call carried", arguments: table)
    func verdict(_ row: Row) throws {
        for code in row.codes {
            let context = try Fixture.context()
            let business = Step.subscribeApp.nextMove(
                context,
                after: [.error(.subscribeApp, code, row.subcode, status: row.status)]
            )
            #expect(business.summary == row.expected(row.business, code))
            let system = Step.assignSystemUser.nextMove(
                context,
                after: [.error(.assignSystemUser, code, row.subcode, status: row.status)]
            )
            #expect(system.summary == row.expected(row.system ?? row.business, code))
        }
    }

    @Test("is the customer's move where the customer pays")
    func payer() throws {
        let context = try Fixture.context { $0.installation.partnerMode = .techProvider }
        let move = Step.sendTestMessage.nextMove(context, after: [.error(.sendTestMessage, 131_042)])
        #expect(move.summary == "fail 131042, customer")
    }

    @Test("that nobody knows is tried again when Graph calls it transient, whatever its status")
    func transient() throws {
        for status in [400, 403, 500] {
            let move = Step.subscribeApp.nextMove(
                try Fixture.context(),
                after: [.error(.subscribeApp, 424_242, status: status, transient: true)]
            )
            #expect(move.summary == "retry 424242")
        }
    }

    @Test(
        "has words for people in the table: what it means, and whose move it is",
        arguments: table.flatMap { row in row.codes.filter { $0 != 424_242 && $0 != -1 } }
    )
    func words(code: Int) {
        for party in Party.allCases {
            let explanation = Explanation(errorCode: "\(code)", waitingOn: party, step: .subscribeApp)
            #expect(!explanation.means.contains("refused, or its retries"), "\(code) for the \(party)")
        }
    }

    @Test(
        "finds an account that says that it is so already to be so, or asks an operator",
        arguments: [
            (Step.subscribeApp, Endpoint.subscribeApp, Endpoint.readSubscriptions),
            (.assignSystemUser, .assignSystemUser, .readAssignedUsers),
        ]
    )
    func alreadySo(step: Step, endpoint: Endpoint, reading: Endpoint) throws {
        let context = try Fixture.context { $0.installation.businessID = "77" }
        let there: JSON =
            step == .subscribeApp
            ? ["data": [["whatsapp_business_api_data": ["id": .string(Fixture.installation.appID)]]]]
            : ["data": [["id": .string("122198765432109"), "tasks": ["MANAGE"]]]]
        for code in [506, 1_752_041] {
            let refused = StepEvent.error(endpoint, code)
            #expect(step.nextMove(context, after: [refused]).summary == "call \(reading.rawValue)")
            #expect(step.nextMove(context, after: [refused, .ok(reading, there)]).summary == "done")
            #expect(
                step.nextMove(context, after: [refused, .ok(reading, ["data": []])]).summary
                    == "fail 1752041, operator"
            )
            #expect(step.nextMove(context, after: [refused, .silent(reading)]).summary == "retry no_answer")
        }
    }
}
