/// What a process knows to rest: from the database, from answers of its own, and from the usage headers.
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.empty), .timeLimit(.minutes(10)))
struct ThrottleBoardTests {
    private static let waba = Scope.waba("102290129340398")
    private static let phone = Scope.phone("106540352242922")

    /// Rows as list_throttles.sql returns them.
    private static func rows(_ values: String...) async throws -> [ThrottleRow] {
        let statement = Statement<ThrottleRow>(
            "test_throttle_rows",
            """
            SELECT v.scope::text, v.seconds::double precision, v.reason::text, v.credentials::boolean
              FROM (VALUES \(values.joined(separator: ", "))) AS v (scope, seconds, reason, credentials)
            """
        )
        return try await withConnection { try await $0.run(statement()) }
    }

    private static func throttle(_ scope: Scope, seconds: Double, isCredentials: Bool = false) -> Throttle {
        Throttle(
            scope,
            seconds: seconds,
            isNamed: true,
            code: "80007",
            message: "too many calls",
            isCredentials: isCredentials
        )
    }

    private static func secondsLeft(_ pause: ThrottleBoard.Pause?) -> Double {
        pause.map { ($0.until - .now) / .seconds(1) } ?? 0
    }

    @Test func `What the database says counts: a pause that is gone from there is gone`() async throws {
        let board = ThrottleBoard()
        #expect(board.pause(of: [.app, .system, .credit, Self.waba, Self.phone]) == nil)
        board.replace(
            by: try await Self.rows("('app', 60, 'an outage', false)", "('system', 90, '190 expired', true)")
        )
        let app = try #require(board.pause(of: [.app]))
        #expect(app.scope == .app && app.reason == "an outage" && !app.isCredentials && app.notedAt == nil)
        #expect((50...60).contains(Self.secondsLeft(app)))
        #expect(board.pause(of: [.system])?.isCredentials == true)

        board.replace(by: try await Self.rows("('system', 30, '190 expired', true)"))
        #expect(board.pause(of: [.app]) == nil)
        #expect((20...30).contains(Self.secondsLeft(board.pause(of: [.system]))))
        board.replace(by: [])
        #expect(board.pause(of: [.app, .system]) == nil)
    }

    @Test func `A name that no version writes and a time that is over are left out`() async throws {
        let board = ThrottleBoard()
        board.replace(
            by: try await Self.rows("('moon', 60, '', false)", "('waba:', 60, '', false)", "('app', -1, '', false)")
        )
        #expect(board.pause(of: [.app, .system, .credit, Self.waba]) == nil)
        #expect(board.restingSteps.isEmpty)
        #expect(board.secondsByKind.isEmpty)
    }

    @Test func `What was met a moment ago stays although the database does not tell of it yet`() async throws {
        let board = ThrottleBoard()
        board.note(Self.throttle(Self.waba, seconds: 60))
        board.replace(by: [])
        let pause = try #require(board.pause(of: [Self.waba]))
        #expect(pause.reason == "80007 too many calls" && pause.notedAt != nil)
        // Of other scopes it is believed.
        board.replace(by: try await Self.rows("('app', 60, 'an outage', false)"))
        #expect(board.pause(of: [.app])?.reason == "an outage")
        #expect(board.pause(of: [Self.waba]) != nil)
    }

    @Test func `Of two pauses of a scope the longer one stays, whichever came first`() {
        let board = ThrottleBoard()
        board.note(Self.throttle(Self.waba, seconds: 60))
        board.note(Self.throttle(Self.waba, seconds: 10))
        #expect((50...60).contains(Self.secondsLeft(board.pause(of: [Self.waba]))))
        board.note(Self.throttle(Self.waba, seconds: 600, isCredentials: true))
        let longest = board.pause(of: [Self.waba])
        #expect((590...600).contains(Self.secondsLeft(longest)))
        #expect(longest?.isCredentials == true)
    }

    @Test func `Of several scopes the pause that ends last is told, and others' pauses are not`() {
        let board = ThrottleBoard()
        board.note(Self.throttle(.app, seconds: 20))
        board.note(Self.throttle(Self.waba, seconds: 60))
        board.note(Self.throttle(Self.phone, seconds: 600))
        #expect(board.pause(of: [.app, Self.waba])?.scope == Self.waba)
        #expect(board.pause(of: [.app, Self.waba, Self.phone])?.scope == Self.phone)
        #expect(board.pause(of: [.app, .system])?.scope == .app)
        #expect(board.pause(of: [.system, .credit, .waba("1"), .phone("1")]) == nil)
        #expect(board.pause(of: []) == nil)
    }

    @Test(arguments: [(0, 1.0), (79, 1.0), (80, 0.5), (89, 0.5), (90, 0.1), (100, 0.1), (1_000, 0.1)])
    func `Near a limit half is let through and then a tenth`(percent: Int, share: Double) {
        let board = ThrottleBoard()
        #expect(board.shareLetThrough([.app, Self.waba]) == 1)
        board.note([(scope: Self.waba, percent: percent)])
        #expect(board.shareLetThrough([.app, Self.waba]) == share)
        #expect(board.shareLetThrough([.app]) == 1)
        #expect(board.shareLetThrough([]) == 1)
    }

    @Test func `The scope that is nearest to its limit decides, by what was said last`() {
        let board = ThrottleBoard()
        board.note([(scope: .app, percent: 85), (scope: Self.waba, percent: 95)])
        #expect(board.shareLetThrough([.app, Self.waba]) == 0.1)
        board.note([(scope: Self.waba, percent: 10)])
        #expect(board.shareLetThrough([.app, Self.waba]) == 0.5)
        board.note([])
        #expect(board.shareLetThrough([.app, Self.waba]) == 0.5)
        // No pause: nothing rests because of it.
        #expect(board.pause(of: [.app, Self.waba]) == nil)
        #expect(board.restingSteps.isEmpty)
    }

    private static let resting: [(Scope, Set<Step>)] = [
        (.app, Set(Step.allCases)), (.system, [.assignSystemUser, .shareCreditLine]), (.credit, [.shareCreditLine]),
        (waba, []), (phone, []),
    ]

    @Test(arguments: resting)
    func `Steps rest as a whole where nothing of theirs can go on`(scope: Scope, steps: Set<Step>) {
        let board = ThrottleBoard()
        #expect(board.restingSteps.isEmpty)
        board.note(Self.throttle(scope, seconds: 60))
        #expect(board.restingSteps == steps)
    }

    @Test func `Steps of several scopes rest together, and wake when the pause is over`() async throws {
        let board = ThrottleBoard()
        board.note(Self.throttle(.credit, seconds: 60))
        board.note(Self.throttle(Self.waba, seconds: 60))
        board.replace(by: try await Self.rows("('system', 0.3, '', false)", "('credit', 60, '', false)"))
        try await eventually("the system user is awake", within: .seconds(5)) {
            board.pause(of: [.system]) == nil && board.restingSteps == [.shareCreditLine]
        }
    }

    @Test func `Metrics tell the longest pause and the highest usage of each kind, without an id`() {
        let board = ThrottleBoard()
        #expect(board.secondsByKind.isEmpty && board.usageByKind.isEmpty)
        board.note(Self.throttle(.waba("1"), seconds: 60))
        board.note(Self.throttle(.waba("2"), seconds: 600))
        board.note(Self.throttle(.credit, seconds: 30))
        board.note([(scope: .app, percent: 5), (scope: .waba("1"), percent: 82), (scope: .waba("2"), percent: 40)])
        let seconds = board.secondsByKind
        #expect(Set(seconds.keys) == ["waba", "credit"])
        #expect((590...600).contains(seconds["waba"] ?? 0))
        #expect((20...30).contains(seconds["credit"] ?? 0))
        #expect(board.usageByKind == ["app": 0.05, "waba": 0.82])
    }
}
