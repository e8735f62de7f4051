/// Points in time and lengths of time. The database is the clock: durations go into SQL, timestamps come out of it.

/// A `timestamptz`: a moment to the microsecond, or one of the two infinities.
public struct Timestamp: PostgresCodable, Hashable, Comparable {
    /// Microseconds since 2000-01-01T00:00:00Z; `Int64.max` and `Int64.min` are the infinities.
    public let microseconds: Int64

    public init(microsecondsSince2000 microseconds: Int64) { self.microseconds = microseconds }

    /// Later than every other timestamp.
    public static let infinity = Timestamp(microsecondsSince2000: .max)
    /// Earlier than every other timestamp.
    public static let negativeInfinity = Timestamp(microsecondsSince2000: .min)

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

    public static var postgresType: PostgresType { .timestamptz }
    public func encode(into buffer: inout [UInt8]) throws(PostgresError) { buffer.append(bigEndian: microseconds) }
    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        microseconds = try Int64(bigEndianBytes: bytes)
    }
}

extension Timestamp: CustomStringConvertible {
    /// ISO 8601 in UTC, such as "2024-02-29T12:00:00.5Z". A year beyond 9999 has a plus sign; a year before 1 is
    /// counted as astronomers do, so that 1 BC is "0000" and 4714 BC "-4713".
    public var description: String {
        switch self {
        case .infinity: return "infinity"
        case .negativeInfinity: return "-infinity"
        default:
            let (seconds, fraction) = microseconds.flooringQuotientAndRemainder(dividingBy: 1_000_000)
            let (days, second) = seconds.flooringQuotientAndRemainder(dividingBy: 86_400)
            let date = Self.date(daysSince2000: days)
            let clock = [second / 3600, second / 60 % 60, second % 60].map { $0.digits(2) }.joined(separator: ":")
            return
                "\(Self.year(date.year))-\(date.month.digits(2))-\(date.day.digits(2))T\(clock)\(Self.tail(fraction))Z"
        }
    }

    private static func year(_ year: Int64) -> String {
        if year > 9999 { return "+\(year)" }
        return year < 0 ? "-" + (-year).digits(4) : year.digits(4)
    }

    private static func tail(_ microseconds: Int64) -> String {
        guard microseconds > 0 else { return "" }
        var digits = microseconds.digits(6)
        while digits.last == "0" { digits.removeLast() }
        return "." + digits
    }

    /// The proleptic Gregorian date, reckoned in years that begin in March, so that the leap day is a year's last.
    private static func date(daysSince2000 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let daysBeforeMarchOf2000: Int64 = 60
        let (era, dayOfEra) = (days - daysBeforeMarchOf2000).flooringQuotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = 2000 + 400 * era + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, day)
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, so that the remainder is never negative.
    fileprivate func flooringQuotientAndRemainder(dividingBy divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// At least `width` digits, with zeros in front.
    fileprivate func digits(_ width: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, width - text.count)) + text
    }
}

/// A `Duration` is an `interval` of microseconds; what is below a microsecond is cut off. An interval with months has no
/// length, so it is refused; its days count as 24 hours.
extension Duration: PostgresCodable {
    public static var postgresType: PostgresType { .interval }

    public func encode(into buffer: inout [UInt8]) throws(PostgresError) {
        let (seconds, attoseconds) = components
        let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (microseconds, overflowsToo) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        guard !overflows, !overflowsToo else { throw .encoding("a duration of more than 292,000 years") }
        buffer.append(bigEndian: microseconds)
        buffer.append(bigEndian: 0 as Int32)
        buffer.append(bigEndian: 0 as Int32)
    }

    public init(postgresBytes bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        guard bytes.count == 16 else { throw .decoding("\(bytes.count) bytes where an interval has 16") }
        let microseconds = try Int64(bigEndianBytes: UnsafeRawBufferPointer(rebasing: bytes[0..<8]))
        let days = try Int32(bigEndianBytes: UnsafeRawBufferPointer(rebasing: bytes[8..<12]))
        let months = try Int32(bigEndianBytes: UnsafeRawBufferPointer(rebasing: bytes[12..<16]))
        guard months == 0 else { throw .decoding("an interval with months, which have no fixed length") }
        self = .microseconds(microseconds) + .seconds(Int64(days) * 86_400)
    }
}
