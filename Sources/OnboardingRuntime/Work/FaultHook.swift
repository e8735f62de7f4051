/// Where tests end a worker on purpose, so that each point between two side effects can be tried. Debug builds only: in a
/// release build `reached` is empty.
import Foundation
import Onboarding
import Synchronization

enum FaultHook {
    enum Point: String {
        case claim
        case sentMark = "sent_mark"
        case effect
        case settle
    }

    /// Kills this process, as SIGKILL does, when `EMBARK_TEST_KILL` names the point and the step: `effect:share_credit_line`.
    /// Freezes it there once, as SIGSTOP does, when `EMBARK_TEST_STOP` does.
    static func reached(_ point: Point, step: String) {
        #if DEBUG
            if killAt == "\(point.rawValue):\(step)" { kill(getpid(), SIGKILL) }
            if stopAt == "\(point.rawValue):\(step)", !wasStopped.exchange(true, ordering: .relaxed) {
                // To this thread, which goes no further: one to the process may be taken by another first.
                raise(SIGSTOP)
            }
        #endif
    }

    static func reached(_ point: Point, _ request: GraphRequest) {
        reached(point, step: request.endpoint.rawValue)
    }

    #if DEBUG
        private static let killAt = ProcessInfo.processInfo.environment["EMBARK_TEST_KILL"]
        private static let stopAt = ProcessInfo.processInfo.environment["EMBARK_TEST_STOP"]
        private static let wasStopped = Atomic(false)
    #endif
}
