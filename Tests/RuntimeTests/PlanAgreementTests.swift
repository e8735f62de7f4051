/// The plan that SQL derives when a signup is enqueued is the one that the contract names, for every input that there is.
import Onboarding
import Postgres
import Support
import Testing

@Suite(.database(.migrated), .timeLimit(.minutes(10))) struct PlanAgreementTests {
    private struct Derived: RowDecodable {
        let flow: String
        let phoneIsKnown: Bool
        let messageIsWanted: Bool
        let partnerMode: String
        let hasSystemUser: Bool
        let verifiesGrant: Bool
        let steps: [String]

        static let columnTypes: [PostgresType] = [
            .text, .bool, .bool, .text, .bool, .bool, [String].postgresType,
        ]

        init(_ row: inout RowReader) throws(PostgresError) {
            flow = try row.next()
            phoneIsKnown = try row.next()
            messageIsWanted = try row.next()
            partnerMode = try row.next()
            hasSystemUser = try row.next()
            verifiesGrant = try row.next()
            steps = try row.next()
        }

        /// All that it depends on, in every combination. The flows and modes are those of the program.
        static let all = Statement<Derived, [String], [String]>(
            "derived_plans",
            """
            SELECT f.flow, p.phone, m.message, o.mode, u.has_user, v.verify,
                   embark.plan_steps(f.flow, p.phone, m.message, o.mode, u.has_user, v.verify)
              FROM unnest($1::text[]) AS f (flow), unnest($2::text[]) AS o (mode),
                   unnest('{true,false}'::boolean[]) AS p (phone), unnest('{true,false}'::boolean[]) AS m (message),
                   unnest('{true,false}'::boolean[]) AS u (has_user), unnest('{true,false}'::boolean[]) AS v (verify)
            """
        )

        /// When each step is part of an onboarding, from the contract and not from the function.
        func needs(_ step: Step) -> Bool {
            let isCloud = flow == "cloud_api"
            let weArePaying = partnerMode == "solution-partner" && flow != "api_access_only"
            return switch step {
            case .exchangeCode, .subscribeApp: true
            case .verifyGrant: verifiesGrant
            case .assignSystemUser: weArePaying && hasSystemUser
            case .shareCreditLine: weArePaying
            // The number is handed in, or the grant tells it.
            case .registerPhone: isCloud && (phoneIsKnown || verifiesGrant)
            case .syncContacts, .syncHistory: flow == "coexistence"
            case .sendTestMessage: messageIsWanted
            }
        }
    }

    private func derived() async throws -> [Derived] {
        try await withConnection { connection in
            try await connection.run(Derived.all(Flow.allCases.map(\.rawValue), PartnerMode.allCases.map(\.rawValue)))
        }
    }

    @Test func `Has the steps that the contract names, in their order, for each of the 128 inputs`() async throws {
        let all = try await derived()
        #expect(all.count == Flow.allCases.count * PartnerMode.allCases.count * 16)
        for one in all {
            #expect(one.steps == Step.allCases.filter(one.needs).map(\.rawValue), "\(one)")
            #expect(throws: Never.self) { try Plan(stepNames: one.steps) }
        }
        let distinct = Set(all.map(\.steps))
        print("\(all.count) inputs derive \(distinct.count) plans")
        #expect(Set(all.flatMap(\.steps)) == Set(Step.allCases.map(\.rawValue)), "every step is in some plan")
        #expect(distinct.count >= 30)
    }

    /// What is known later adds steps and takes none away: a plan stays right while the rest of a signup is found out.
    @Test func `Only gains steps by more that is known or wanted`() async throws {
        let all = try await derived()
        for one in all {
            for other in all where other.flow == one.flow && other.partnerMode == one.partnerMode {
                let isMore =
                    (!one.phoneIsKnown || other.phoneIsKnown) && (!one.messageIsWanted || other.messageIsWanted)
                    && (!one.hasSystemUser || other.hasSystemUser) && (!one.verifiesGrant || other.verifiesGrant)
                if isMore { #expect(Set(one.steps).isSubset(of: other.steps), "\(one), \(other)") }
            }
        }
    }

    /// Where it goes on from depends on nothing but the step: of each plan what is before one and what is behind it make it up.
    @Test func `Is cut by each of its steps into what is before and what comes`() async throws {
        for names in Set(try await derived().map(\.steps)) {
            let plan = try Plan(stepNames: names)
            for step in plan.steps {
                var walked = Array(plan.stepsBefore(step)) + [step]
                while let last = walked.last, let next = plan.next(after: last) { walked.append(next) }
                #expect(walked == plan.steps)
            }
            for step in Step.allCases where !plan.steps.contains(step) { #expect(plan.next(after: step) == nil) }
        }
    }
}
