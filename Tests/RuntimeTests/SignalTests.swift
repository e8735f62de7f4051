/// The wake-up call between tasks: none is lost, and none is heard twice.
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct SignalTests {
    /// Far beyond any test, so that a wait that ends has been woken.
    private let never = Duration.seconds(3600)

    @Test func `Raised before it is waited for, it wakes once, however often it was raised`() async {
        let signal = Signal()
        for _ in 0..<5 { signal.raise() }
        await signal.wait(atMost: never)
        let clock = ContinuousClock()
        let start = clock.now
        await signal.wait(atMost: .seconds(2))
        #expect(clock.now - start >= .seconds(2))
    }

    @Test func `Raised while a task waits, it wakes that task`() async {
        let signal = Signal()
        for _ in 0..<1000 {
            async let wait: Void = signal.wait(atMost: never)
            signal.raise()
            await wait
        }
    }

    @Test func `Without a call the wait ends at its limit, and the next wait is not woken by that`() async {
        let signal = Signal()
        let clock = ContinuousClock()
        for _ in 0..<10 {
            let start = clock.now
            await signal.wait(atMost: .milliseconds(20))
            #expect(clock.now - start >= .milliseconds(20))
        }
    }

    @Test(arguments: 0..<20) func `A task that is cancelled stops waiting`(round: Int) async {
        let signal = Signal()
        let waiting = Task { await signal.wait(atMost: never) }
        if round % 2 == 0 { await Task.yield() }
        waiting.cancel()
        await waiting.value
    }

    @Test func `A call beside a cancellation is not lost`() async {
        for _ in 0..<200 {
            let signal = Signal()
            let waiting = Task { await signal.wait(atMost: never) }
            signal.raise()
            await waiting.value
            signal.raise()
            let cancelled = Task { await signal.wait(atMost: never) }
            cancelled.cancel()
            await cancelled.value
        }
    }

    @Test func `Two tasks that call each other in turn always hear each other`() async {
        let (ping, pong) = (Signal(), Signal())
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for _ in 0..<2000 {
                    ping.raise()
                    await pong.wait(atMost: .seconds(3600))
                }
            }
            group.addTask {
                for _ in 0..<2000 {
                    await ping.wait(atMost: .seconds(3600))
                    pong.raise()
                }
            }
        }
    }
}
