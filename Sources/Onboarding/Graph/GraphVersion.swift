/// Until when Meta answers for each version of the Graph API. A version dies two years after its successor came out; calls
/// to it are then answered by the oldest that lives, whatever its parameters mean there.

public enum GraphVersion {
    /// Meta, "Graph API changelog", read 2026-11-22: https://developers.facebook.com/docs/graph-api/changelog/versions/
    private static let ends: [(version: String, year: Int64, month: Int64, day: Int64)] = [
        ("v20.0", 2026, 9, 24), ("v21.0", 2027, 1, 21), ("v22.0", 2027, 5, 20), ("v23.0", 2027, 10, 8),
        ("v24.0", 2028, 2, 18), ("v25.0", 2028, 7, 29),
    ]

    /// Out since 2026-07-29, with no end yet.
    private static let withoutEnd = "v26.0"

    /// The newest whose end is known: what one goes to without reading a changelog.
    public static var newest: String { ends.last?.version ?? "" }

    public enum Standing: Sendable, Equatable {
        /// The last day, such as "2027-01-21", and the days until then.
        case lives(until: String, days: Int64)
        case ended(String)
        /// Older than all of which the end is known.
        case endedLongAgo
        /// It lives, and Meta has not said until when.
        case livesWithoutEnd
        /// None that Meta had when this program was written: newer than the program, or a slip.
        case unheardOf
    }

    /// - Parameter today: days since 2000-01-01.
    public static func standing(of version: String, daysSince2000 today: Int64) -> Standing {
        guard let found = ends.first(where: { $0.version == version }) else {
            if version == withoutEnd { return .livesWithoutEnd }
            guard let number = number(version), let oldest = ends.first.flatMap({ Self.number($0.version) }) else {
                return .unheardOf
            }
            return number < oldest ? .endedLongAgo : .unheardOf
        }
        let end = "\(found.year)-\(twoDigits(found.month))-\(twoDigits(found.day))"
        let days = daysSince2000(found.year, found.month, found.day) - today
        return days < 0 ? .ended(end) : .lives(until: end, days: days)
    }

    private static func number(_ version: String) -> Double? {
        version.hasPrefix("v") ? Double(version.dropFirst()) : nil
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// In years that begin in March, so that the leap day is a year's last. For years from 2000 on.
    private static func daysSince2000(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month < 3 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let leapDays = (marchYear / 4 - marchYear / 100 + marchYear / 400) - (2000 / 4 - 2000 / 100 + 2000 / 400)
        return (marchYear - 2000) * 365 + leapDays + (153 * monthFromMarch + 2) / 5 + day - 1 + 60
    }
}
