/// What a run consists of, as data.
import Foundation

/// What goes wrong.
enum Trouble: String, CaseIterable, Sendable {
    case kill, zombie, drain, crash, cut, network, graph, operators

    var summary: String {
        switch self {
        case .kill: "SIGKILL of a random worker every 0.2 to 2 s"
        case .zombie: "SIGSTOP of a worker past its leases, then SIGCONT"
        case .drain: "SIGTERM under load: it must end by itself, with 0"
        case .crash: "PostgreSQL stopped as by a crash, every 5 to 40 s"
        case .cut: "connections ended by PostgreSQL, every 0.5 to 3 s"
        case .network: "a worker's network to PostgreSQL that goes silent"
        case .graph: "a tenth of all calls to Graph at fault, before and after the effect"
        case .operators: "replays, resolutions and renewals of what has failed"
        }
    }

    /// What its strikes are counted under.
    var tallied: String {
        switch self {
        case .kill: "kills"
        case .zombie: "zombies"
        case .drain: "drains"
        case .crash: "crashes"
        case .cut: "cuts"
        case .network: "silences"
        case .graph, .operators: rawValue
        }
    }

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
    static var list: String {
        allCases.map {
            "  " + $0.rawValue.padding(toLength: 10, withPad: " ", startingAt: 0) + $0.summary
        }.joined(separator: "\n")
    }
}

struct ChaosPlan: Sendable {
    /// What a run has to have reached before it ends.
    struct Goal: Sendable {
        var steps = 0
        var kills = 0
        var crashes = 0
    }

    var seed = UInt64.random(in: 1...999_999)
    var workers = 6
    /// Calls in flight of one worker.
    var concurrency = 32
    /// Jobs that are due and wait for a worker, at all times.
    var depth = 40
    /// No more of them are enqueued than this many a second.
    var signupsPerSecondMax = 10_000.0
    var troubles = Set(Trouble.allCases)
    /// What `Trouble.graph` does to answers, as the simulator reads it.
    var answers = Troubles.graphFaults
    /// Rounds of the same load without and with kills, to compare how much gets done; 0 for no comparison.
    var comparisons = 0
    var comparisonSeconds = 20.0
    /// How long faults go on at least, and at most.
    var secondsMin = 120.0
    var secondsMax = 120.0
    var goal = Goal()
    /// How long what is left may take afterwards, without faults.
    var settleSecondsMax = 180.0
    /// What a worker holds is judged, which needs workers that live on.
    var isSoak = false
    /// A crash of PostgreSQL comes after a pause of so many seconds.
    var crashSeconds = 5.0...40.0

    static let usual = ChaosPlan()

    static var short: ChaosPlan {
        var plan = ChaosPlan()
        plan.workers = 4
        plan.depth = 20
        plan.comparisons = 1
        plan.comparisonSeconds = 8
        plan.secondsMin = 40
        plan.secondsMax = 60
        plan.crashSeconds = 4...9
        plan.goal = Goal(steps: 1_000, kills: 15, crashes: 2)
        plan.settleSecondsMax = 60
        return plan
    }

    static var long: ChaosPlan {
        var plan = ChaosPlan()
        plan.comparisons = 3
        plan.comparisonSeconds = 30
        plan.secondsMin = 20 * 60
        plan.secondsMax = 80 * 60
        plan.goal = Goal(steps: 200_000, kills: 1_000, crashes: 50)
        plan.settleSecondsMax = 240
        return plan
    }

    static var soak: ChaosPlan {
        var plan = ChaosPlan()
        plan.workers = 2
        plan.signupsPerSecondMax = 20
        plan.troubles = [.crash, .cut, .network, .graph, .operators]
        plan.secondsMin = 30 * 60
        plan.secondsMax = 30 * 60
        plan.isSoak = true
        return plan
    }
}
