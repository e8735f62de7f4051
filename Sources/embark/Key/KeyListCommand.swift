/// `embark key list`: which keys there are, what each has sealed, and which workers have it.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime

struct KeyListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show the keys, what each has sealed, and which workers have it.",
        discussion: """
            Counts tokens and PINs by the key that their headers name; the values stay in
            the database. With the key ring in EMBARK_SEALING_KEYS or its file it also
            says which key seals, which ones open, and which are missing. Needs the role
            embark_operator, embark_reader or embark_worker.

            EXAMPLES
              embark key list
              EMBARK_SEALING_KEYS_FILE=sealing-keys.json embark key list
              embark key list -o json
            """
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let ring = try ring()
        let bar = ProgressBar()
        let (usage, holders) = try await global.withConnection { connection in
            let usage = try await KeyUsage.read(on: connection) { bar.show("counting", share: $0) }
            return (usage, try await KeyHolder.all(on: connection))
        }
        bar.end()
        let lines = Self.lines(ring: ring, usage: usage, holders: holders)
        switch output.format {
        case .json, .jsonl:
            output.objects(try lines.map { try $0.json() })
        case .table:
            output.table(
                header: ["KEY", "RING", "TOKENS", "PINS", "WORKERS SEAL", "HAVE IT"],
                rows: lines.map { [$0.id, $0.place, "\($0.tokens)", "\($0.pins)", "\($0.seal)", "\($0.have)"] },
                color: { $0 == "missing" ? .red : $0 == "seals" ? .green : nil }
            )
        }
        if usage.unreadable > 0 {
            output.note(
                "\(usage.unreadable) sealed values have no readable header: embark key rotate names their signups."
            )
        }
        if ring == nil {
            output.note("EMBARK_SEALING_KEYS is not set, so nobody compared the keys with a ring.")
        } else if lines.contains(where: { $0.place == "missing" }) {
            output.note("What a missing key has sealed cannot be opened: put that key back into the ring, at its end.")
        }
    }

    /// nil where none is set: operators may have none. One that is malformed is an error.
    private func ring() throws -> KeyRing? {
        let sources = try global.sources()
        do throws(SettingsError) {
            return try SealingSettings(sources: sources).keys
        } catch .missing {
            return nil
        }
    }

    struct Line {
        let id: String
        /// seals, opens or missing; "-" without a ring.
        let place: String
        let tokens: Int64
        let pins: Int64
        /// Live workers that seal with it, and that have it.
        let seal: Int
        let have: Int

        func json() throws -> String {
            try Output.object([
                "key_id": Output.quoted(id), "ring": place == "-" ? "null" : Output.quoted(place),
                "tokens": "\(tokens)", "pins": "\(pins)", "workers_sealing": "\(seal)", "workers_having": "\(have)",
            ])
        }
    }

    /// The ring's keys in their order, then those that only rows or workers name.
    static func lines(ring: KeyRing?, usage: KeyUsage, holders: [KeyHolder]) -> [Line] {
        let known = ring?.keyIDs ?? []
        let others = Set(usage.counts.keys).union(holders.flatMap(\.keyIDs)).subtracting(known).sorted()
        return (known + others).map { id in
            Line(
                id: id,
                place: ring == nil ? "-" : id == known.first ? "seals" : known.contains(id) ? "opens" : "missing",
                tokens: usage.counts[id]?[.token] ?? 0,
                pins: usage.counts[id]?[.pin] ?? 0,
                seal: holders.count { $0.keyIDs.first == id },
                have: holders.count { $0.keyIDs.contains(id) }
            )
        }
    }
}
