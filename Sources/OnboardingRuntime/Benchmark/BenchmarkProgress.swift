/// How far a benchmark has come: measures of equal length, each of parts of equal length.
import Synchronization

final class BenchmarkProgress: Sendable {
    private struct Place {
        var label = ""
        /// Of the whole, 0 to 1.
        var measure = 0.0..<1.0
        var part = 0.0..<1.0
    }

    private let place = Mutex(Place())
    private let report: @Sendable (String, Double) -> Void

    init(show: @escaping @Sendable (String, Double) -> Void) { report = show }

    /// The measure with this number, from 0 on, begins.
    func begin(_ measure: String, _ number: Int, of count: Int) {
        place.withLock { place in
            place.measure = (Double(number) / Double(count))..<(Double(number + 1) / Double(count))
        }
        show(measure, 0, of: 1)
    }

    /// A part of the measure begins.
    func show(_ label: String, _ number: Int, of count: Int) {
        let share = place.withLock { place -> Double in
            let width = (place.measure.upperBound - place.measure.lowerBound) / Double(count)
            let begin = place.measure.lowerBound + width * Double(number)
            place.part = begin..<(begin + width)
            place.label = count > 1 ? "\(label), \(number + 1) of \(count)" : label
            return begin
        }
        report(place.withLock(\.label), share)
    }

    /// So much of the part is done, 0 to 1.
    func part(_ done: Double) {
        let (label, share) = place.withLock { place in
            (
                place.label,
                place.part.lowerBound + (place.part.upperBound - place.part.lowerBound) * min(max(done, 0), 1)
            )
        }
        report(label, share)
    }

    func end() { report("done", 1) }
}
