/// `embark key rotate`: the steps from one sealing key to the next, none of which needs a stop.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct KeyRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Go from one sealing key to the next, while workers run.",
        discussion: """
            Workers read the ring when they start, so a rotation is four steps; between
            them give every worker the new ring and restart it, one after the other:

              1  embark key rotate --add             a new key: all can open with it
              2  embark key rotate --promote KEY     it seals from now on
              3  embark key rotate                   reseal what other keys have sealed
              4  embark key rotate --drop OLD        the old key leaves the ring

            Each step is refused while it would harm: before every live worker has the
            key, and while a value or a worker still needs the old one. Resealing may be
            interrupted and run again; exit 0 says that every value was opened and is
            under the first key. Steps 3 and 4 need the role embark_worker.

            No step can see a worker that is started later with an old copy of the ring:
            before step 4 there must be none left. What it sealed with the dropped key
            opens again once that key is back in the ring.

            The ring is read from --keys, else as a worker reads it. One from a file is
            replaced in its place; else the new one goes to standard output.

            EXAMPLES
              embark key rotate --add --keys sealing-keys.json
              embark key rotate --promote 2026-12-01 --keys sealing-keys.json
              embark key rotate --keys sealing-keys.json
              embark key rotate --drop 2026-11-01 --keys sealing-keys.json
              embark key rotate --add --keys - <old.json >new.json
            """
    )

    @Flag(help: "Add a new key to the end of the ring.") var add = false
    @Option(help: "The new key's id, its kid (default: today's date).") var id: String?
    @Option(help: ArgumentHelp("Put this key first: it seals.", valueName: "key")) var promote: String?
    @Option(help: ArgumentHelp("Take this key out of the ring.", valueName: "key")) var drop: String?
    @Option(help: ArgumentHelp("The ring's file, or - for standard input.", valueName: "file")) var keys: String?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if [add, promote != nil, drop != nil].count(where: { $0 }) > 1 {
            throw ValidationError("--add, --promote and --drop are steps of their own: give one of them, or none.")
        }
        if id != nil, !add { throw ValidationError("--id names the key that --add makes.") }
        try KeyID.check(id)
    }

    func run() async throws {
        let place = try KeyRingPlace(option: keys)
        if add {
            try addKey(to: place)
        } else if let promote {
            try await promoteKey(promote, in: place)
        } else if let drop {
            try await dropKey(drop, from: place)
        } else {
            try await KeyReseal(ring: place.ring, global: global).run()
        }
    }

    private func addKey(to place: KeyRingPlace) throws {
        let id = id ?? KeyID.today
        guard !place.ring.keyIDs.contains(id) else {
            throw CommandFailure(.refused, "the ring has a key \(id) already: choose another id with --id")
        }
        try store(
            try changed { () throws(KeyRingError) in try KeyRing.adding(id: id, to: place.set) },
            to: place,
            action: "add",
            keyID: id,
            done: "\(id) was added: with this ring a worker opens with it, and still seals with "
                + "\(place.ring.keyIDs.first ?? "another").",
            next: "Give every worker this ring and restart it, one after the other. Then: "
                + "embark key rotate --promote \(id)"
        )
    }

    private func promoteKey(_ id: String, in place: KeyRingPlace) async throws {
        try require(id, in: place)
        let holders = try await global.withConnection { try await KeyHolder.all(on: $0) }
        try KeyHolders(holders).requireAllHave(id)
        try store(
            try changed { () throws(KeyRingError) in try KeyRing.promoting(id: id, in: place.set) },
            to: place,
            action: "promote",
            keyID: id,
            done: "\(id) is the first key: a worker with this ring seals with it.",
            next: "Give every worker this ring and restart it, one after the other. Then: embark key rotate"
        )
    }

    private func dropKey(_ id: String, from place: KeyRingPlace) async throws {
        try require(id, in: place)
        guard place.ring.keyIDs.first != id else {
            throw CommandFailure(
                .refused,
                "\(id) is the key that seals. First: embark key rotate --promote with another key, and embark key rotate"
            )
        }
        let bar = ProgressBar()
        let (report, holders) = try await global.withConnection { connection in
            let before = try await KeyHolder.all(on: connection)
            let resealing = Resealing(ring: place.ring, connection: connection)
            let report = try await resealing.look { bar.show("values looked at", share: $0) }
            let after = try await KeyHolder.all(on: connection)
            // One that has ended meanwhile may have sealed behind the look.
            return (report, after + KeyHolders.ended(before, after))
        }
        bar.end()
        if let used = report.opened[id], used > 0 {
            throw CommandFailure(.refused, "\(used) sealed values still need the key \(id). First: embark key rotate")
        }
        try KeyHolders(holders).requireNoneSeals(with: id)
        for line in KeyReseal.lines(of: report.unopened) { global.output.note(line) }
        try store(
            try changed { () throws(KeyRingError) in try KeyRing.dropping(id: id, from: place.set) },
            to: place,
            action: "drop",
            keyID: id,
            done: "\(id) has left the ring: none of \(report.values) sealed values needs it.",
            next: "Give every worker this ring and restart it, one after the other. Keep a copy of the old ring for as"
                + " long as you keep backups of the database: they need it."
        )
    }

    private func require(_ id: String, in place: KeyRingPlace) throws {
        guard !place.ring.keyIDs.contains(id) else { return }
        throw CommandFailure(
            .noSuchThing,
            "the ring has no key \(id); its keys are: \(place.ring.keyIDs.joined(separator: ", "))"
        )
    }

    private func changed(_ change: () throws(KeyRingError) -> Secret) throws -> Secret {
        do throws(KeyRingError) {
            return try change()
        } catch {
            throw CommandFailure(.refused, "the ring stays as it was, for the changed one \(error)")
        }
    }

    /// Stores the ring and says so. Where standard output has the ring, the words go to standard error.
    private func store(
        _ set: Secret,
        to place: KeyRingPlace,
        action: String,
        keyID: String,
        done: String,
        next: String
    ) throws {
        let warning = try place.store(set)
        let output = global.output
        if let warning { output.note(warning) }
        let say = place.path == nil ? output.note : { output.line($0) }
        switch output.format {
        case .table:
            say(done + (place.path.map { " (\($0))" } ?? ""))
            say("Next: " + next)
        case .json, .jsonl:
            let ids = try KeyRing(jwkSet: set.revealed).keyIDs.map { try Output.quoted($0) }
            say(
                try Output.object([
                    "action": Output.quoted(action), "key_id": Output.quoted(keyID),
                    "key_ids": "[\(ids.joined(separator: ","))]",
                    "file": place.path.map { try Output.quoted($0) } ?? "null", "next": Output.quoted(next),
                ])
            )
        }
    }
}

/// What live workers' keys forbid.
struct KeyHolders {
    private let holders: [KeyHolder]
    private static let namedMax = 5

    init(_ holders: [KeyHolder]) { self.holders = holders }

    /// Those that lived before something was done, and not any more behind it.
    static func ended(_ before: [KeyHolder], _ after: [KeyHolder]) -> [KeyHolder] {
        let living = Set(after.map(\.workerID))
        return before.filter { !living.contains($0.workerID) }
    }

    func requireAllHave(_ id: String) throws {
        try refuse(holders.filter { !$0.keyIDs.contains(id) }) { names, isOne in
            "\(names) \(isOne ? "does" : "do") not have the key \(id), and could not open what it seals."
                + " Give every worker the ring with it, restart them, and run this again"
        }
    }

    func requireNoneSeals(with id: String) throws {
        try refuse(holders.filter { $0.keyIDs.isEmpty || $0.keyIDs.first == id }) { names, isOne in
            "\(names) \(isOne ? "seals" : "seal") with \(id), or may, or did until just now. Restart them with the ring in"
                + " which another key is the first, then: embark key rotate"
        }
    }

    private func refuse(_ holders: [KeyHolder], _ message: (String, Bool) -> String) throws {
        guard !holders.isEmpty else { return }
        var names = holders.prefix(Self.namedMax).map(\.name)
        if holders.count > Self.namedMax { names.append("\(holders.count - Self.namedMax) more") }
        throw CommandFailure(
            .refused,
            message(names.joined(separator: ", "), holders.count == 1)
                + ". (One that was killed counts for a minute more.)"
        )
    }
}
