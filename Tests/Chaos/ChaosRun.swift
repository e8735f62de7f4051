/// One run, from an empty folder to a report.
import Foundation
import GraphSimulator
import Postgres
import Support
import UnixSignals

struct ChaosRun: Sendable {
    let plan: ChaosPlan
    let embark: String
    /// nil for a new one, which a good run deletes.
    let directory: String?

    func run() async throws -> ChaosReport {
        signal(SIGPIPE, SIG_IGN)
        let directory = directory ?? NSTemporaryDirectory() + "embark-chaos-\(plan.seed)-\(getpid())"
        say("seed \(plan.seed), files in \(directory)")
        // What was started is ended also when somebody presses Control-C.
        return try await withThrowingTaskGroup(of: ChaosReport?.self) { group in
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            group.addTask {
                for await _ in signals { throw CancellationError() }
                return nil
            }
            group.addTask { try await run(in: directory) }
            defer { group.cancelAll() }
            while let report = try await group.next() {
                guard let report else { continue }
                if report.isGood, self.directory == nil { try FileManager.default.removeItem(atPath: directory) }
                return report
            }
            throw CancellationError()
        }
    }

    private func run(in directory: String) async throws -> ChaosReport {
        let world = try await World.make(seed: plan.seed, embark: embark, directory: directory)
        let outcome: Result<ChaosReport, any Error>
        do {
            outcome = .success(try await run(in: world))
        } catch {
            outcome = .failure(error)
        }
        // In a task of its own, because a cancelled run has to clean up as well.
        try await Task { try await world.remove() }.value
        return try outcome.get()
    }

    private func run(in world: World) async throws -> ChaosReport {
        let stage = try await Stage(world: world, plan: plan, embark: embark)
        do {
            try await stage.play()
            let report = try await stage.judge()
            await stage.close()
            return report
        } catch {
            await stage.close()
            throw error
        }
    }
}

/// Progress, on standard error.
func say(_ text: String) {
    FileHandle.standardError.write(Data("chaos: \(text)\n".utf8))
}
