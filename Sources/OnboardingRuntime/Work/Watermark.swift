/// Where the next look at a lane begins: what makes a claim as cheap behind dead rows as without them.
import Postgres

/// Where in a lane to begin to look. Behind a long-held snapshot the beginning of the index is full of dead entries that
/// cannot be removed: a look from the last claimed key on passes them by. What was committed late lies before that key, so
/// now and then a look starts over, as seldom as it is dear.
struct Watermark {
    private var place: Timestamp?
    private var startsOverAt = ContinuousClock.now
    private var isFromBeginning = true

    /// A look from the beginning may take this part of the time.
    private static let share = 20

    /// From where the next look begins; nil for the beginning.
    mutating func next() -> Timestamp? {
        isFromBeginning = place == nil || startsOverAt <= .now
        return isFromBeginning ? nil : place
    }

    mutating func note(_ rows: [ClaimRow], took duration: Duration) {
        if isFromBeginning { startsOverAt = .now + duration * Self.share }
        if let row = rows.first { place = row.claimedTo }
    }

    /// After a look that found less than it could have taken: whether to start over at once.
    func startsOver() -> Bool { !isFromBeginning && startsOverAt <= .now }
}
