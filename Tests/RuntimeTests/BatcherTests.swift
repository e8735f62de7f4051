/// Many callers, few statements: nobody is forgotten, whatever the moment at which they come.
import Synchronization
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10)))
struct BatcherTests {
    @Test(arguments: [(1, 1), (2, 1), (2, 100)])
    func `Whoever comes while a writer falls idle is answered`(writers: Int, secondFrom: Int) async {
        let batcher = Batcher<Int, Int>(batchMax: 50, writers: writers, secondFrom: secondFrom) { $0.map { $0 * 2 } }
        // Two callers that each wait for their answer: the writers fall idle again and again.
        let wrong = await withTaskGroup(of: Void.self) { group in
            group.addTask { await batcher.run() }
            let wrong = await withTaskGroup(of: Int.self) { callers in
                for caller in 0..<2 {
                    callers.addTask {
                        var wrong = 0
                        for number in 0..<3_000 where await batcher.submit(number + caller) != (number + caller) * 2 {
                            wrong += 1
                        }
                        return wrong
                    }
                }
                return await callers.reduce(0, +)
            }
            batcher.end()
            return wrong
        }
        #expect(wrong == 0)
    }

    @Test func `What was submitted before the end is still written, in batches of the size that was asked for`() async {
        let sizes = Mutex<[Int]>([])
        let batcher = Batcher<Int, Int>(batchMax: 10) { batch in
            sizes.withLock { $0.append(batch.count) }
            return batch
        }
        await withTaskGroup(of: Int.self) { callers in
            for number in 0..<95 { callers.addTask { await batcher.submit(number) } }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await batcher.run() }
                var sum = 0
                for await answer in callers { sum += answer }
                #expect(sum == 95 * 94 / 2)
                batcher.end()
            }
        }
        #expect(sizes.withLock { $0.allSatisfy { $0 <= 10 } })
        #expect(sizes.withLock { $0.reduce(0, +) } == 95)
    }
}
