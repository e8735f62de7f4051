/// `embark top` on a terminal: takes a snapshot each two seconds and draws it again, also when the size changes.
import Foundation
import OnboardingRuntime
import Postgres

struct LiveTop: Sendable {
    let options: ConnectionOptions

    /// Between two snapshots, and between two attempts to come back.
    private static let interval = Duration.seconds(2)

    private enum Event: Sendable {
        case screen(LiveScreen.Event)
        case snapshot(TopSnapshot)
        case lost(String)
    }

    /// What is on the screen.
    private struct Shown {
        var snapshot: TopSnapshot?
        /// Since when the database has been away, and why.
        var lost: (since: ContinuousClock.Instant, reason: String)?
    }

    /// Until `q`, Ctrl-C or SIGTERM, or until something is wrong that does not mend itself, such as a missing right. Where the
    /// database cannot be reached in the first place it is an error, as for every command.
    func run() async throws {
        let first = try await Connection.open(options)
        let snapshot: TopSnapshot
        do {
            snapshot = try await Self.snapshot(on: first)
        } catch {
            await first.close()
            throw error
        }
        let screen = LiveScreen()
        do {
            try await show(snapshot, first, on: screen)
            screen.close()
        } catch {
            screen.close()
            throw error
        }
    }

    private func show(_ first: TopSnapshot, _ connection: Connection, on screen: LiveScreen) async throws {
        let (events, continuation) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(16))
        continuation.yield(.snapshot(first))
        try await withThrowingTaskGroup { group in
            group.addTask {
                for await event in screen.events { continuation.yield(.screen(event)) }
            }
            group.addTask { try await look(connection, continuation) }
            group.addTask {
                var shown = Shown()
                for await event in events {
                    switch event {
                    case .snapshot(let snapshot): shown = Shown(snapshot: snapshot)
                    case .lost(let reason): shown.lost = (shown.lost?.since ?? .now, reason)
                    case .screen(.resized): break
                    case .screen(.key("q")), .screen(.key("Q")), .screen(.quit): return
                    case .screen(.key): continue
                    }
                    screen.draw(Self.lines(shown))
                }
            }
            // The drawing ends when it is told to; looking ends by an error alone.
            try await group.next()
            group.cancelAll()
            continuation.finish()
            screen.close()
        }
    }

    /// Snapshots until it is cancelled, over as many connections as that takes.
    private func look(_ first: Connection, _ events: AsyncStream<Event>.Continuation) async throws {
        var connection: Connection? = first
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Self.interval)
                let usable: Connection
                if let connection { usable = connection } else { usable = try await Connection.open(options) }
                connection = usable
                events.yield(.snapshot(try await Self.snapshot(on: usable)))
            } catch is CancellationError {
                break
            } catch let error as PostgresError where error.kind == .cancelled {
                break
            } catch let error as PostgresError where error.isConnectionLoss || error.kind == .deadlineExceeded {
                await connection?.close()
                connection = nil
                events.yield(.lost("\(error)"))
            }
        }
        await connection?.close()
    }

    private static func snapshot(on connection: Connection) async throws -> TopSnapshot {
        try TopSnapshot(json: await SignupStore.snapshot(on: connection).text)
    }

    private static func lines(_ shown: Shown) -> [ScreenLine] {
        var head: [ScreenLine] = []
        if let lost = shown.lost {
            let seconds = Output.age(.now - lost.since)
            head = [
                ScreenLine("THE DATABASE IS AWAY for \(seconds); what follows is older. Trying again.", .red),
                ScreenLine(Output.printable(lost.reason), .red), ScreenLine(),
            ]
        }
        let rows = Terminal.size().rows - head.count
        let page = shown.snapshot.map { TopPage($0).lines(rows: max(rows, 0)) } ?? []
        return head + page
    }
}
