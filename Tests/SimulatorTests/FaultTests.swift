/// Faults: what happens, what comes back, and that the ledger knew before the answer.
import AsyncHTTPClient
import Foundation
import GraphSimulator
import NIOCore
import NIOHTTP1
import Testing

@Suite(.timeLimit(.minutes(2))) struct FaultTests {
    typealias P = Platform

    private static let subscribe = "/v25.0/\(P.account)/subscribed_apps"

    @Test(arguments: [
        ("http500", 500, 0), ("html502", 502, 0), ("code:131016", 500, 0), ("code:190/463", 401, 0),
        ("transient", 500, 0),
        ("malformed", 200, 1), ("bad_json", 200, 1), ("deep_json", 200, 1), ("nul", 200, 1), ("lone_surrogate", 200, 1),
        ("duplicate_keys", 200, 1), ("huge_number", 200, 1), ("usage:85", 200, 1), ("usage_raw:no json", 200, 1),
    ])
    func `What is answered says whether it happened only in the ledger`(
        fault: String,
        status: Int,
        effects: Int
    ) async throws {
        try await Platform.with(faults: #"{"subscribe_app": ["\#(fault)"]}"#) { platform in
            let token = try await platform.token()
            let answer = try await platform.call(.POST, Self.subscribe, token: token)
            #expect(answer.status == status)
            #expect(platform.effects("subscribe_app") == effects)
            #expect(platform.simulator.ledger.contains { $0.contains(#""kind":"fault""#) })
            // The next call is sound again.
            #expect(try await platform.call(.POST, Self.subscribe, token: token)["success"] as? Bool == true)
        }
    }

    @Test(arguments: [
        ("reset_before", 0), ("reset_after", 1), ("silent_before", 0), ("silent_after", 1), ("truncated", 1),
        ("wrong_length", 1), ("huge", 1), ("long_header", 1),
    ])
    func `What never arrives whole is in the ledger all the same`(fault: String, effects: Int) async throws {
        try await Platform.with(faults: #"{"subscribe_app": ["\#(fault)"]}"#) { platform in
            let token = try await platform.token()
            await #expect(throws: (any Error).self) {
                _ = try await platform.call(.POST, Self.subscribe, token: token, timeout: .milliseconds(700))
            }
            #expect(platform.effects("subscribe_app") == effects)
        }
    }

    @Test func `A slow answer comes a byte at a time`() async throws {
        try await Platform.with(faults: #"{"debug_token": ["slow"]}"#) { platform in
            let request = HTTPClientRequest(url: platform.url + "/v25.0/debug_token?input_token=x&access_token=1|s")
            let started = ContinuousClock.now
            var bytes = 0
            // A busy machine may hand over two bytes at once, but never sooner than they were sent.
            for try await chunk in try await HTTPClient.shared.execute(request, timeout: .seconds(10)).body {
                bytes += chunk.readableBytes
                #expect(Double(bytes) <= (ContinuousClock.now - started) / .seconds(1) + 1)
                if bytes >= 3 { break }
            }
            #expect(bytes >= 3)
        }
    }

    @Test func `The same seed draws the same faults`() async throws {
        func run() async throws -> [Int] {
            var statuses: [Int] = []
            try await Platform.with(faults: #"{"phone_numbers": {"http500": 0.3, "code:4": 0.2}}"#) { platform in
                let token = try await platform.token()
                for _ in 1...40 {
                    let answer = try await platform.call(.GET, "/v25.0/\(P.account)/phone_numbers", token: token)
                    statuses.append(answer.status)
                }
            }
            return statuses
        }
        let first = try await run()
        #expect(try await run() == first)
        #expect(Set(first) == [200, 400, 500])
    }

    @Test(arguments: [
        (#"{"nowhere": ["http500"]}"#, "there is no endpoint nowhere"),
        (#"{"messages": 1}"#, "there is no endpoint messages"),
        (#"{"*": ["typo"]}"#, "there is no fault typo: http500, html502"), (#"{"*": {"http500": 2}}"#, "from 0 to 1"),
        ("[]", "must be a JSON object"), ("{", "are not JSON"),
    ])
    func `Faults that cannot be are refused by name`(json: String, says: String) async throws {
        let error = #expect(throws: FaultPlanError.self) { _ = try FaultPlan(json: json) }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        try await Platform.with { platform in
            let answer = try await platform.call(.PUT, "/simulator/faults", json: json)
            #expect(answer.status == 400 && answer.text.contains(says))
        }
    }

    @Test func `Faults may be changed while it runs, and the state shows what stands`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let put = try await platform.call(.PUT, "/simulator/faults", json: #"{"*": ["code:4"]}"#)
            #expect(put.status == 200)
            #expect(try await platform.call(.POST, Self.subscribe, token: token).code == 4)
            _ = try await platform.call(.POST, Self.subscribe, token: token)
            let state = try await platform.call(.GET, "/simulator/state")
            #expect(state["subscriptions", "0", "waba_id"] as? String == P.account)
            #expect(!state.text.contains(token))
            let ledger = try await platform.call(.GET, "/simulator/ledger")
            #expect(ledger.text.split(separator: "\n").count == platform.simulator.ledger.count)
        }
    }
}
