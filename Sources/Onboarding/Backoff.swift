/// When to try again: full jitter, so that jobs that failed together do not come back together.
public enum Backoff {
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
}
