/// The one tool by which a test may wait for something that gives no signal.

/// Looks at `condition` until it is true; throws `SupportError` when it is not within the limit.
///
/// Between two looks it waits 10 ms by the clock. A test must wait on a signal wherever there is one; what another process
/// has done to itself, such as a server's session that ends, gives none, and looking without a pause would take the
/// processor from the very process that is waited for.
public func eventually(
    _ what: String = "the condition",
    within limit: Duration = .seconds(5),
    _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while try await !condition() {
        guard clock.now < end else { throw SupportError("\(what) has not come true within \(limit)") }
        try await clock.sleep(for: .milliseconds(10))
    }
}
