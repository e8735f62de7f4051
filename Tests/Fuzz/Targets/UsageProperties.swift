import Onboarding
import OnboardingRuntime

/// Whatever the headers say, percentages are some and pauses are of 1 s to 72 h.
enum UsageProperties {
    static func check(_ bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        func line(_ index: Int) -> String? { index < lines.count ? String(lines[index]) : nil }
        let usage = Usage(
            app: line(0).flatMap { AnswerParser.json(in: $0) },
            business: line(1).flatMap { AnswerParser.json(in: $0) },
            retryAfter: line(2)
        )
        require(usage.entries.count <= 64, "entries are bounded")
        for percent in usage.entries.map(\.percent) + [usage.appPercent ?? 0] {
            require((0...1000).contains(percent), "a percentage is bounded: \(percent)")
            require((0.1...1).contains(Usage.shareLetThrough(atPercent: percent)), "some calls are let through")
        }
        for seconds in usage.entries.compactMap(\.regainSeconds) + [usage.retryAfterSeconds].compactMap(\.self) {
            require(seconds > 0, "a time to wait is one: \(seconds)")
        }
        let request = GraphRequest(.phoneNumbers, .get, path: "1/phone_numbers", token: .business)
        guard let plan = try? Plan(stepNames: ["exchange_code"]) else { return require(false, "a step is a plan") }
        for wabaID in [nil, "102290129340398"] {
            let signup = Signup(id: 1, flow: .cloudAPI, plan: plan, wabaID: wabaID)
            for (scope, percent) in usage.percents(for: request, of: signup) {
                require((0...1000).contains(percent) && Scope(name: scope.name) == scope, "a scope's name means it")
            }
            for status in [200, 429] {
                let limit = GraphError(code: 80_008, message: "limit", details: line(2))
                for content in [GraphResponse.Content.value(.null), .error(limit)] {
                    let response = GraphResponse(status: status, content: content, usage: usage)
                    let throttle = Throttle.demanded(by: response, to: request, at: .verifyGrant, of: signup)
                    require(
                        throttle.map { Throttle.secondsRange.contains($0.seconds) } ?? true,
                        "a pause is of 1 s to 72 h: \(throttle?.seconds ?? 0)"
                    )
                }
            }
        }
        let scope = Scope(name: line(0) ?? "")
        require(scope.map { $0.name == line(0) } ?? true, "a scope is named as it was read")
    }
}
