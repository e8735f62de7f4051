/// Whether every worker opens what the others seal.
import Postgres

extension DatabaseChecks {
    /// Named in one finding; of more the rest shows when these are mended.
    private static let holdersShown = 5

    func workerKeys() async throws -> [Finding] {
        // A worker of a version that does not tell its keys is nobody's finding: its version is.
        let holders = try await ask(KeyHolder.all).filter { !$0.keyIDs.isEmpty }
        let sealing = Set(holders.compactMap(\.keyIDs.first))
        let lacking = holders.compactMap { holder -> String? in
            let missing = sealing.subtracting(holder.keyIDs).sorted()
            return missing.isEmpty ? nil : "\(holder.name) lacks \(missing.joined(separator: ", "))"
        }
        if lacking.isEmpty { return [.ok("worker keys", "each worker opens what any of them seals")] }
        return [
            .fail(
                "worker keys",
                "jobs wait for a worker with their key: "
                    + lacking.prefix(Self.holdersShown).joined(separator: "; "),
                remedy: "Give every worker the same EMBARK_SEALING_KEYS and restart it. See: embark key list"
            )
        ]
    }
}
