/// When to try again.
public enum Backoff {
    /// Full jitter, so that jobs that failed together do not come back together.
    ///
    /// - Parameters:
    ///   - execution: how many executions there have been, from 1.
    ///   - jitter: 0 to 1, drawn evenly by the caller.
    /// - Returns: seconds, from 0 to `cap`.
    public static func seconds(base: Double, cap: Double, execution: Int32, jitter: Double) -> Double {
        var doubled = base
        var left = execution
        // Ends after log2(cap / base) rounds at the latest.
        while left > 1, doubled < cap {
            doubled *= 2
            left -= 1
        }
        return min(cap, doubled) * min(max(jitter, 0), 1)
    }

    /// For what somebody has to mend meanwhile and what no execution is charged for: as long again as the step has been tried
    /// already, so that each wait is about twice the last.
    ///
    /// - Parameters:
    ///   - horizon: seconds that the step is tried for.
    ///   - left: seconds of them that are left; nil for no end.
    public static func asLongAgain(horizon: Double, left: Double?, within bounds: ClosedRange<Int>) -> Int {
        guard let left else { return bounds.upperBound }
        let tried = min(max(horizon - left, Double(bounds.lowerBound)), Double(bounds.upperBound))
        return Int(tried)
    }
}
