/// Properties of the backoff that hold for all its arguments, and not only for those that a table names.
import Testing

@testable import Onboarding

@Suite("Backoff")
struct BackoffPropertyTests {
    /// Every pair of base and cap that the program uses.
    static let curves: [(base: Double, cap: Double)] =
        Step.allCases.map { ($0.policy.baseSeconds, $0.policy.capSeconds) }
        + [Patience.slow, .propagation, .deletedNumber, .recovery].compactMap(\.curve).map { ($0.base, $0.cap) }

    static let executions: [Int32] =
        Array(-3...70) + [100, 1000, 1_000_000, .max - 1, .max, .min, .min + 1]
    static let jitters = (0...20).map { Double($0) / 20 }

    private func seconds(_ curve: (base: Double, cap: Double), _ execution: Int32, _ jitter: Double) -> Double {
        Backoff.seconds(base: curve.base, cap: curve.cap, execution: execution, jitter: jitter)
    }

    @Test func `Is even over its span, which doubles up to its cap and never shrinks`() {
        for curve in Self.curves {
            var last = 0.0
            for execution in Self.executions.sorted() {
                let span = seconds(curve, execution, 1)
                #expect(span >= last && span <= curve.cap && span >= min(curve.base, curve.cap))
                last = span
                for jitter in Self.jitters {
                    #expect(abs(seconds(curve, execution, jitter) - span * jitter) <= span * 1e-9)
                }
            }
            #expect(last == curve.cap)
            for execution in Int32(1)...40 where seconds(curve, execution + 1, 1) < curve.cap {
                #expect(seconds(curve, execution + 1, 1) == 2 * seconds(curve, execution, 1))
            }
        }
    }

    @Test func `Stays within its bounds for a jitter of any value`() {
        var random = SystemRandomNumberGenerator()
        var odd: [Double] = [-.infinity, -1, -0.0, .leastNonzeroMagnitude, 1.0.nextUp, 7, .infinity]
        odd += (0..<1000).map { _ in Double(bitPattern: random.next()) }.filter { !$0.isNaN }
        for curve in Self.curves {
            for jitter in odd {
                for execution in [1, 5, Int32.max] {
                    #expect((0...curve.cap).contains(seconds(curve, execution, jitter)), "\(jitter)")
                }
            }
        }
    }

    @Test func `Adds up to less than the step's horizon: executions are what ends a fault that goes on`() {
        for step in Step.allCases {
            let policy = step.policy
            let sum = (1..<policy.executionsMax).reduce(0) {
                $0 + seconds((policy.baseSeconds, policy.capSeconds), $1, 1)
            }
            #expect(sum > 0 && sum <= policy.horizonSeconds)
        }
    }

    @Test func `Waits as long again as was waited, for any time that is left`() {
        let lefts: [Double] =
            [-1e300, -.infinity, .infinity, 1e300, 0, 1, 3599, 3600, 3601, .leastNonzeroMagnitude]
            + (0...400).map { Double($0) * 10 }
        for left in lefts {
            let wait = Backoff.asLongAgain(horizon: 3600, left: left, within: 10...300)
            #expect((10...300).contains(wait), "\(left)")
        }
        let waits = (0...360).map { Backoff.asLongAgain(horizon: 3600, left: 3600 - Double($0) * 10, within: 10...300) }
        #expect(waits == waits.sorted())
    }
}
