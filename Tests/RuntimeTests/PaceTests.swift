/// The pace of many replays.
import Testing

@testable import OnboardingRuntime

@Suite struct PaceTests {
    private let start = ContinuousClock.now

    @Test func `One is due at once, and then one an interval, whatever the work takes`() {
        var pace = Pace(perSecond: 4, from: start)
        #expect(pace.take(atMost: 100, now: start) == 1)
        #expect(pace.take(atMost: 100, now: start + .milliseconds(249)) == 0)
        #expect(pace.next == start + .milliseconds(250))
        #expect(pace.take(atMost: 100, now: start + .milliseconds(260)) == 1)
        // 10 ms late before: the next one is not.
        #expect(pace.take(atMost: 100, now: start + .milliseconds(500)) == 1)
        #expect(pace.take(atMost: 100, now: start + .milliseconds(1000)) == 2)
    }

    @Test func `What was held up is made good for a second's worth at most`() {
        var pace = Pace(perSecond: 10, from: start)
        #expect(pace.take(atMost: 1000, now: start + .seconds(60)) == 11)
        #expect(pace.take(atMost: 1000, now: start + .seconds(60)) == 0)
        #expect(pace.take(atMost: 1000, now: start + .milliseconds(60_100)) == 1)
    }

    @Test func `Never more are taken than there are, and those left are due still`() {
        var pace = Pace(perSecond: 1000, from: start)
        #expect(pace.take(atMost: 7, now: start + .milliseconds(500)) == 7)
        #expect(pace.take(atMost: 1000, now: start + .milliseconds(500)) == 494)
    }

    @Test func `A slow rate waits for long`() {
        var pace = Pace(perSecond: 1.0 / 3600, from: start)
        #expect(pace.take(atMost: 2, now: start) == 1)
        #expect(pace.next == start + .seconds(3600))
        #expect(pace.take(atMost: 2, now: start + .seconds(3599)) == 0)
    }
}
