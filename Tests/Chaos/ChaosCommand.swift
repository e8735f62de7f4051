/// `scripts/chaos`: Embark under every fault at once, and what became of each signup.
import ArgumentParser
import Foundation
import GraphSimulator
import Support

@main
struct ChaosCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scripts/chaos",
        abstract: "Runs Embark under faults, and checks that nothing was lost and nothing doubled.",
        discussion: """
            FAULTS
            \(Trouble.list)

            scripts/chaos --help has examples.
            """
    )

    @Flag(help: "The form for CI: calm and kills compared, then every fault; below three minutes.") var short = false
    @Flag(help: "At least 200,000 steps, 1,000 kills, 50 crashes of PostgreSQL; at most 90 minutes.") var long = false
    @Flag(help: "30 minutes of work without kills: memory, descriptors and tasks must stay flat.") var soak = false
    @Option(help: "Which faults, by name, with commas; the default is all of them.") var faults: String?
    @Option(help: "What every choice is drawn from; printed by each run.") var seed: UInt64?
    @Option(help: "How long faults go on: 90s, 20m.") var duration: String?
    @Option(help: "How long what is left may take afterwards, without faults: 20s, 3m.") var settle: String?
    @Option(help: "The faults of Graph's answers, as PUT /simulator/faults takes them; the default is a tenth of all.")
    var answers: String?
    @Option(help: "Go on until at least so many steps are done, but no longer than --duration.") var steps: Int?
    @Option(help: "Worker processes, 2 to 32.") var workers: Int?
    @Option(help: "Jobs that are due and wait for a worker at all times, 1 to 1000.") var depth: Int?
    @Option(help: "The program under test.") var embark = "embark"
    @Option(help: "Where the run keeps its files; the default is a new folder that a good run deletes.") var directory:
        String?
    @Option(help: "Writes what was measured over time as a picture.") var plot: String?
    @Option(name: .shortAndLong, help: "table or json.") var output = "table"

    func validate() throws {
        guard [short, long, soak].filter(\.self).count <= 1 else {
            throw ValidationError("--short, --long and --soak are three different runs: give one.")
        }
        guard output == "table" || output == "json" else { throw ValidationError("-o must be table or json.") }
        if let workers, !(2...32).contains(workers) { throw ValidationError("--workers must be from 2 to 32.") }
        if let depth, !(1...1000).contains(depth) { throw ValidationError("--depth must be from 1 to 1000.") }
        _ = try plan()
    }

    func run() async throws {
        // Progress goes to standard error, so that the report can be piped.
        let report = try await ChaosRun(plan: try plan(), embark: embark, directory: directory).run()
        if let plot { try report.resources.svg.write(toFile: plot, atomically: true, encoding: .utf8) }
        print(output == "json" ? try report.json : report.table)
        if !report.isGood { throw ExitCode(1) }
    }

    private func plan() throws -> ChaosPlan {
        var plan: ChaosPlan = short ? .short : long ? .long : soak ? .soak : .usual
        if let seed { plan.seed = seed }
        if let faults {
            plan.troubles = try Set(
                faults.split(separator: ",").map { name in
                    guard let trouble = Trouble(rawValue: String(name)) else {
                        throw ValidationError("There is no fault \(name): \(Trouble.names).")
                    }
                    return trouble
                }
            )
        }
        if let settle { plan.settleSecondsMax = try Self.seconds(settle, "--settle") }
        if let answers {
            _ = try FaultPlan(json: answers)
            plan.answers = answers
        }
        if let duration {
            plan.secondsMax = try Self.seconds(duration, "--duration")
            plan.secondsMin =
                plan.goal.steps > 0 || steps != nil ? min(plan.secondsMin, plan.secondsMax) : plan.secondsMax
        }
        if let steps { plan.goal.steps = steps }
        if let workers { plan.workers = workers }
        if let depth { plan.depth = depth }
        return plan
    }
    private static func seconds(_ text: String, _ option: String) throws -> Double {
        guard let match = text.wholeMatch(of: /([0-9]{1,5})(s|m)/), let number = Double(match.1), number > 0 else {
            throw ValidationError("\(option) must be a time such as 90s or 20m.")
        }
        return match.2 == "m" ? number * 60 : number
    }
}
