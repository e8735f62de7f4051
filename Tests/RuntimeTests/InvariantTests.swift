/// The checker of the invariants: it finds an honest run whole, and names each broken state that is planted, and nothing else.
import Foundation
import Invariants
import Support
import Testing

@Suite(.database(HonestRun.template), .timeLimit(.minutes(10)))
struct InvariantTests {
    @Test func `An honest run is found whole`() async throws {
        let found = try await HonestRun.check()
        #expect(found.isEmpty, "\(found.map(\.description).joined(separator: "\n"))")
        // Not because nothing has happened.
        let ends = try await texts("SELECT format('%s %s %s', id, generation, state) FROM embark.signups ORDER BY id")
        #expect(
            ends == [
                "1 1 completed", "2 1 completed", "3 1 completed", "4 1 completed", "5 1 failed", "6 2 completed",
                "7 1 cancelled", "8 1 completed", "9 1 completed", "10 2 completed", "11 1 completed", "12 1 completed",
                "13 1 running",
            ]
        )
    }

    @Test(arguments: Plant.all) func `A planted fault is named, and only it`(_ plant: Plant) async throws {
        // A snapshot would see any change of history; it is planted for alone.
        let sql = plant.sql.map { "SET session_replication_role = replica; \($0); RESET session_replication_role" }
        if plant.check != "snapshot", let sql { try await script(sql) }
        let found = try await HonestRun.check(
            plant.ledger(HonestRun.ledger),
            texts: plant.texts,
            acknowledged: [1] + plant.acknowledged,
            planted: plant.check == "snapshot" ? sql : nil
        )
        #expect(!found.isEmpty)
        for broken in found {
            #expect(broken.check == plant.check && broken.invariant == plant.invariant, "\(broken)")
            #expect(broken.signupID == plant.signup.map { Int64($0) }, "\(broken)")
            let isOnRecord = broken.signupID.map { $0 <= HonestRun.waiting } ?? false
            #expect(broken.history.contains("signup \(plant.signup ?? 0): ") == isOnRecord, "\(broken)")
            let shown = HonestRun.secrets.filter { broken.description.contains($0) }
            #expect(shown.isEmpty, "\(broken)")
        }
    }

    @Test(arguments: Plant.harmless) func `What is allowed is not named`(_ plant: Plant) async throws {
        if let sql = plant.sql {
            try await script("SET session_replication_role = replica; \(sql); RESET session_replication_role")
        }
        let found = try await HonestRun.check(plant.ledger(HonestRun.ledger))
        #expect(found.isEmpty, "\(found.map(\.description).joined(separator: "\n"))")
    }

    @Test func `Each check has a planted fault`() {
        let planted = Set(Plant.all.map(\.check))
        #expect(Set(InvariantChecker.checks.keys) == planted)
        for plant in Plant.all { #expect(InvariantChecker.checks[plant.check] == plant.invariant) }
        #expect(Set(Plant.all.map(\.invariant)) == Set(Invariant.allCases))
    }
}
