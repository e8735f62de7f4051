/// Where tests end a worker on purpose, so that each point between two side effects can be tried. Debug builds only: in a
/// release build `reached` is empty.
import Foundation
import Onboarding

enum FaultHook {
    enum Point: String {
        case claim
        case sentMark = "sent_mark"
        case effect
        case settle
    }

    /// Kills this process, as SIGKILL does, when `EMBARK_TEST_KILL` names the point and the step: `effect:share_credit_line`.
    static func reached(_ point: Point, step: String) {
        #if DEBUG
            if killAt == "\(point.rawValue):\(step)" { kill(getpid(), SIGKILL) }
        #endif
    }

    static func reached(_ point: Point, _ request: GraphRequest) {
        reached(point, step: request.endpoint.rawValue)
    }

    #if DEBUG
        private static let killAt = ProcessInfo.processInfo.environment["EMBARK_TEST_KILL"]
    #endif
}
