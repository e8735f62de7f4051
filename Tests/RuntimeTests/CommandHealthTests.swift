/// `embark health`: what a container's probe hears of a worker.
import Foundation
import Support
import Synchronization
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandHealthTests {
    @Test func `A worker that works is alive and ready, and one that is gone is neither`() async throws {
        let url = TestDatabase.current.url
        let port = Mutex(0)
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(graph: platform.url, database: url) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                port.withLock { $0 = worker.port }
                let listen = "127.0.0.1:\(worker.port)"
                let alive = try await Command.run(["health", "--listen", listen], database: nil)
                #expect(alive.out == "ok\n")
                #expect(alive.err == "")
                #expect(alive.code == 0)
                let object = try await Command.run(["health", "--listen", listen, "-o", "jsonl"], database: nil)
                #expect(object.out == #"{"healthy":true,"address":"\#(listen)","found":["ok"]}"# + "\n")
                // An address that stands for all of the machine's.
                let any = ["EMBARK_LISTEN": "0.0.0.0:\(worker.port)"]
                let ready = try await Command.run(["health", "--ready"], database: nil, environment: any)
                #expect(ready.code == 0, "\(ready.all)")
                #expect(ready.outLines.count > 1)
                #expect(ready.outLines.allSatisfy { $0.hasPrefix("ok  ") })
            }
            #expect(result.code == 0)
        }
        let address = ["EMBARK_LISTEN": "0.0.0.0:\(port.withLock { $0 })"]
        let gone = try await Command.run(["health"], database: nil, environment: address)
        #expect(gone.code == 1)
        #expect(gone.err == "embark: no worker answers here. EMBARK_LISTEN or --listen says where it listens.\n")
        #expect(gone.out == "")
        let object = try await Command.run(["health", "-o", "json"], database: nil, environment: address)
        #expect(object.out == #"{"healthy":false,"address":null,"found":[]}"# + "\n")
        #expect(object.code == 1)
    }

    @Test func `A worker without a database is alive and not ready, and says why`() async throws {
        try await SimulatedPlatform.with { platform in
            let nowhere = "postgresql://127.0.0.1:1/nowhere"
            _ = try await RunningWorker.with(graph: platform.url, database: nowhere) { worker in
                let listen = ["--listen", "127.0.0.1:\(worker.port)"]
                try await eventually("the worker answers", within: .seconds(20)) {
                    try await worker.get("/healthz") != nil
                }
                #expect(try await Command.run(["health"] + listen, database: nil).code == 0)
                let ready = try await Command.run(["health", "--ready"] + listen, database: nil)
                #expect(ready.code == 1)
                #expect(ready.outLines.contains { $0.hasPrefix("NOT OK  ") }, "\(ready.all)")
                #expect(ready.err == "embark: the worker at 127.0.0.1:\(worker.port) is not ready\n")
                let object = try await Command.run(["health", "--ready", "-o", "json"] + listen, database: nil).object()
                #expect(object["healthy"] as? Bool == false)
                #expect(object["address"] as? String == "127.0.0.1:\(worker.port)")
                #expect((object["found"] as? [String])?.contains { $0.hasPrefix("NOT OK  ") } == true, "\(object)")
            }
        }
    }

    @Test func `Whoever is silent, or is no worker, is not taken for one, within the time that it may take`()
        async throws
    {
        let silent = try ScriptedServer { peer in _ = peer.hungUp(within: 10) }
        let other = try ScriptedServer { peer in
            peer.readRequest()
            peer.answer("hello")
        }
        for server in [silent, other] {
            let clock = ContinuousClock()
            let began = clock.now
            let result = try await Command.run(
                ["health", "--listen", "127.0.0.1:\(server.port)", "--timeout", "0.5"],
                database: nil
            )
            #expect(result.code == 1)
            #expect(clock.now - began < .seconds(5))
        }
    }

    @Test func `A malformed address is bad configuration`() async throws {
        let result = try await Command.run(["health", "--listen", "9464"], database: nil)
        #expect(result.code == 78)
        #expect(result.err == "embark: EMBARK_LISTEN must be HOST:PORT, such as 127.0.0.1:9464\n")
    }

    @Test func `The container asks by this command`() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../../deploy/container/Dockerfile")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(
            text.contains(
                #"HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/local/bin/embark", "health"]"#
            )
        )
    }
}
