/// Ports for the workers' health endpoints.
import GraphSimulator
import Support

enum FreePort {
    /// Below the ports that systems hand out for outgoing connections, so that it stays free while its worker is away.
    private static let range = 10_000...19_999

    /// A port of loopback that was free a moment ago.
    static func find(seed: UInt64) async throws -> Int {
        var dice = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let port = Int.random(in: range, using: &dice)
            do {
                try await SimulatorServer.start(Simulator(), port: port).stop()
                return port
            } catch {
                // Somebody has it.
            }
        }
        throw SupportError("no free port from \(range.lowerBound) to \(range.upperBound)")
    }
}
