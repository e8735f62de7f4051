/// A moment as people type it: `24h` ago, or `2026-11-25T10:30Z`.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct TimeBound: ExpressibleByArgument, Equatable {
    /// As it was typed, for the command of the next page.
    let text: String
    let bound: SignupFilter.Bound

    /// A length of time before now, or a date with or without a time; without a zone it is UTC.
    init?(argument text: String) {
        self.text = text
        if let span = TimeSpan(text) {
            bound = .ago(seconds: span.seconds)
        } else if let moment = Self.moment(text) {
            bound = .at(moment)
        } else {
            return nil
        }
    }

    private static func moment(_ text: String) -> Timestamp? {
        let form =
            /(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,6})?)?)?(?:Z|([+-])(\d\d):?(\d\d))?/
        guard let match = text.wholeMatch(of: form) else { return nil }
        let number = { (part: Substring?) in part.flatMap { Int($0) } ?? 0 }
        let (hour, minute, second) = (number(match.4), number(match.5), number(match.6))
        let (zoneHour, zoneMinute) = (number(match.8), number(match.9))
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let day = DateComponents(year: number(match.1), month: number(match.2), day: number(match.3))
        guard day.isValidDate(in: calendar), let midnight = calendar.date(from: day), hour < 24, minute < 60,
            second < 60,
            zoneHour < 24, zoneMinute < 60
        else { return nil }
        let offset = (zoneHour * 60 + zoneMinute) * (match.7 == "-" ? -60 : 60)
        // 946,684,800 s lie between the Unix epoch and PostgreSQL's, 2000-01-01.
        let seconds =
            Int64(midnight.timeIntervalSince1970) - 946_684_800 + Int64(hour * 3600 + minute * 60 + second - offset)
        return Timestamp(microsecondsSince2000: seconds * 1_000_000)
    }
}
