/// `@Suite(.database(.empty))`: gives each test of a suite a database of its own, so that tests run side by side.
///
/// Not in a program: one whose standard library is a part of it has no Testing.
#if canImport(Testing)
    public import Testing

    extension Trait where Self == DatabaseTrait {
        /// Each test, and each argument of a test with arguments, gets its own clone: `TestDatabase.current`.
        public static func database(_ template: Template) -> DatabaseTrait { DatabaseTrait(template: template) }
    }

    public struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
        let template: Template

        public var isRecursive: Bool { true }

        /// Tests of the whole process that have a database at the same time: the server has 100 sessions for all of them.
        private static let gate = Gate(places: 6)

        public func provideScope(
            for test: Test,
            testCase: Test.Case?,
            performing function: @concurrent @Sendable () async throws -> Void
        ) async throws {
            // A test that overrides its suite's template is inside the gate already.
            if TestDatabase.scoped != nil { return try await TestDatabase.with(template, function) }
            try await Self.gate.pass { try await TestDatabase.with(template, function) }
        }
    }

    /// Lets a limited number in at a time, in the order of arrival.
    actor Gate {
        private var places: Int
        private var waiting: [CheckedContinuation<Void, Never>] = []

        init(places: Int) { self.places = places }

        nonisolated func pass(_ body: () async throws -> Void) async throws {
            await enter()
            do {
                try await body()
                await leave()
            } catch {
                await leave()
                throw error
            }
        }

        private func enter() async {
            if places > 0 {
                places -= 1
            } else {
                await withCheckedContinuation { waiting.append($0) }
            }
        }

        private func leave() {
            if waiting.isEmpty {
                places += 1
            } else {
                waiting.removeFirst().resume()
            }
        }
    }
#endif
