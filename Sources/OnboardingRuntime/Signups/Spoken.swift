/// Lengths of time and moments as people say them: in the card, the tables and the pages.
package import Postgres

extension Duration {
    /// "12 min": the largest unit alone; below zero is "0 s".
    package var spoken: String { spoken(daysFrom: 172_800) }

    /// The same of a time to come, in hours as long as somebody might wait for it.
    package var spokenAhead: String { spoken(daysFrom: 360_000) }

    private func spoken(daysFrom days: Int64) -> String {
        let seconds = max(0, components.seconds)
        return switch seconds {
        case ..<90: "\(seconds) s"
        case ..<5400: "\(seconds / 60) min"
        case ..<days: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) d"
        }
    }
}

extension Timestamp {
    /// A time to come, "2026-11-27 09:12 UTC": the minute by which it is over for certain, as embark.replay_refusal says it.
    package var spokenAhead: String {
        let minute: Int64 = 60_000_000
        let (next, overflows) = microseconds.addingReportingOverflow(minute)
        // Both infinities, and what is so far away that a minute does not matter.
        let rounded = overflows || self == .negativeInfinity ? self : Timestamp(microsecondsSince2000: next)
        let parts = rounded.description.split(separator: "T")
        guard parts.count == 2 else { return description }
        return "\(parts[0]) \(parts[1].prefix(5)) UTC"
    }
}
