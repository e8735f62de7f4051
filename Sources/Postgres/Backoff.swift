/// How long to wait before trying to connect again: a server that comes back must not meet all its clients at once.

/// Full jitter: a random wait up to a limit that doubles with each failure in a row.
public struct Backoff: Sendable {
    /// The least wait, so that two attempts never follow at once.
    public var floor: Duration
    /// The limit after the first failure.
    public var base: Duration
    /// What the limit does not exceed.
    public var cap: Duration
    private let random: @Sendable () -> Double

    /// `random` gives numbers in 0..<1.
    public init(
        floor: Duration = .milliseconds(20),
        base: Duration = .milliseconds(100),
        cap: Duration = .seconds(1),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.floor = floor
        self.base = base
        self.cap = cap
        self.random = random
    }

    /// `failures` in a row, at least 1. The wait is from `floor` to the smaller of `cap` and base × 2^(failures − 1).
    public func delay(afterFailures failures: Int) -> Duration {
        let doublings = min(max(failures - 1, 0), 30)
        let limit = max(floor, min(cap, base * (1 << doublings)))
        return floor + (limit - floor) * random()
    }
}
