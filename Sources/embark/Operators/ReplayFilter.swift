/// Which failed signups a replay takes, as flags: one step, one error code, and since when, all required, so that nothing is
/// replayed that nobody thought of.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct ReplayFilter: ParsableArguments {
    @Option(help: "failed: only a failed signup can be replayed.") var state: String?
    @Option(help: "The step at which they failed.") var step: String?
    @Option(
        name: .customLong("error-code"),
        help: ArgumentHelp("What they failed with, as why says it.", valueName: "code")
    )
    var errorCode: String?
    @Option(
        help: ArgumentHelp(
            "They failed at most so long ago (90m, 24h, 7d), or since a time (2026-11-25T08:00:00Z).",
            valueName: "time"
        )
    )
    var since: String?
    @Option(help: ArgumentHelp("At most so many, those that failed first (default: 1000).", valueName: "count"))
    var max: Int?

    static let maxDefault = 1000
    /// All of them are kept in memory, with their plans.
    static let maxMax = 100_000

    var isGiven: Bool { state != nil || step != nil || errorCode != nil || since != nil || max != nil }
    var maxCount: Int { max ?? Self.maxDefault }

    /// nil when no filter is given; `check` has to have passed.
    var failedSignups: FailedSignups? {
        guard let step = step.flatMap(Step.init(rawValue:)), let errorCode,
            let since = since.flatMap(FailedSignups.Since.init(argument:))
        else { return nil }
        return FailedSignups(step: step, errorCode: errorCode, since: since)
    }

    func check() throws {
        let flags = [("--state failed", state), ("--step", step), ("--error-code", errorCode), ("--since", since)]
        let absent = flags.filter { $0.1 == nil }.map(\.0)
        guard absent.isEmpty else {
            throw ValidationError("A filter also needs \(absent.joined(separator: " and ")).")
        }
        if state != "failed" { throw ValidationError("--state must be failed: only a failed signup can be replayed.") }
        if let step { try StepArgument.check(step, "--step") }
        if let since, FailedSignups.Since(argument: since) == nil {
            throw ValidationError(
                "--since must be a length (90s, 90m, 24h, 7d), a date (2026-11-25) or a time with its zone"
                    + " (2026-11-25T08:00:00Z)."
            )
        }
        if !(1...Self.maxMax).contains(maxCount) { throw ValidationError("--max must be 1 to \(Self.maxMax).") }
    }
}

extension FailedSignups.Since {
    /// `24h` as people say it, or ISO 8601: a date, which begins at midnight UTC, or a time with its zone.
    init?(argument: String) {
        if let span = TimeSpan(argument) {
            self = .ago(seconds: span.seconds)
        } else if let time = Self.time(argument) {
            self = .time(time)
        } else {
            return nil
        }
    }

    private static func time(_ text: String) -> Timestamp? {
        let pattern = /([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9]{2}:[0-9]{2}:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?/
        // A time says its zone, a date has none.
        guard let match = text.wholeMatch(of: pattern), (match.output.2 == nil) == (match.output.3 == nil) else {
            return nil
        }
        let whole = match.output.1 + (match.output.2 ?? "T00:00:00") + (match.output.3 ?? "Z")
        let date: Date
        do { date = try Date(String(whole), strategy: .iso8601) } catch { return nil }
        // 30 February would be taken for a day in March.
        let zone = match.output.3.flatMap(secondsEastOfUTC) ?? 0
        let day = date.addingTimeInterval(zone).formatted(.iso8601.year().month().day())
        guard day == match.output.1 else { return nil }
        let secondsUntil2000 = 946_684_800.0
        return Timestamp(microsecondsSince2000: Int64((date.timeIntervalSince1970 - secondsUntil2000) * 1_000_000))
    }

    private static func secondsEastOfUTC(_ zone: Substring) -> Double? {
        let parts = zone.dropFirst().split(separator: ":").compactMap { Double($0) }
        guard parts.count == 2 else { return nil }
        return (parts[0] * 3600 + parts[1] * 60) * (zone.first == "-" ? -1 : 1)
    }
}

/// How many in a time, as people type it: `5/s`, `100/m`, `2000/h`.
struct Rate: ExpressibleByArgument {
    let perSecond: Double

    init?(argument: String) {
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600]
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let unit = units[parts[1]], (1...6).contains(parts[0].utf8.count),
            parts[0].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let count = Double(parts[0]),
            count > 0
        else { return nil }
        perSecond = count / unit
    }
}
