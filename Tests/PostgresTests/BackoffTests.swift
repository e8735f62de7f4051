/// The waits between attempts to connect.
import Postgres
import Testing

@Suite struct BackoffTests {
    @Test("The limit doubles with each failure up to the cap")
    func limits() {
        let longest = Backoff(floor: .milliseconds(10), base: .milliseconds(100), cap: .seconds(1)) { 1 }
        let table: [(Int, Duration)] = [
            (1, .milliseconds(100)), (2, .milliseconds(200)), (3, .milliseconds(400)), (4, .milliseconds(800)),
            (5, .seconds(1)),
            (6, .seconds(1)), (1_000_000, .seconds(1)), (.max, .seconds(1)), (0, .milliseconds(100)),
        ]
        for (failures, expected) in table { #expect(longest.delay(afterFailures: failures) == expected) }
    }

    @Test("The wait is spread from the floor to the limit")
    func jitter() {
        for (share, expected) in [(0.0, 20), (0.5, 60), (1.0, 100)] {
            let backoff = Backoff(floor: .milliseconds(20), base: .milliseconds(100), cap: .seconds(1)) { share }
            #expect(backoff.delay(afterFailures: 1) == .milliseconds(expected))
        }
        let usual = Backoff()
        for failures in 1...100 {
            let delay = usual.delay(afterFailures: failures)
            #expect(delay >= usual.floor && delay <= usual.cap)
        }
    }

    @Test("A floor above the cap is the wait")
    func floorAboveCap() {
        let backoff = Backoff(floor: .seconds(3), base: .seconds(1), cap: .seconds(2)) { 0.7 }
        #expect(backoff.delay(afterFailures: 9) == .seconds(3))
    }
}
