/// The simulator behind its HTTP server: one call after another under one lock, each recorded before it is answered.
import Foundation
import Synchronization

public final class Simulator: Sendable {
    /// Ledger lines that are kept; a run that needs more says so in its ledger.
    static let ledgerMax = 2_000_000

    private struct Core {
        var graph = SimulatedGraph()
        var faults: FaultPlan
        var dice: SeededGenerator
        var ledger: [String] = []
        var dropped = 0
    }

    /// How an answer goes out.
    enum Delivery: Sendable, Equatable {
        case whole
        case reset
        case silent
        case half
        case byteByByte
        /// The length in the header is longer than the body.
        case wrongLength
        /// A body of as many bytes, made on the way.
        case huge(bytes: Int)
    }

    private let core: Mutex<Core>
    private let clock: @Sendable () -> Double

    /// Seconds since 1970.
    public static let systemClock: @Sendable () -> Double = { Date().timeIntervalSince1970 }

    /// - Parameter clock: seconds since 1970; tests give their own, to let a code die at once.
    public init(
        faults: FaultPlan = FaultPlan(),
        seed: UInt64 = 0,
        clock: @escaping @Sendable () -> Double = Simulator.systemClock
    ) {
        core = Mutex(Core(faults: faults, dice: SeededGenerator(seed: seed)))
        self.clock = clock
    }

    /// A number that already has a PIN.
    public func setPIN(_ pin: String, of phoneNumberID: String) {
        core.withLock { $0.graph.setPIN(pin, of: phoneNumberID) }
    }

    /// What was done so far, one JSON object a line, in order.
    public var ledger: [String] { core.withLock(\.ledger) }

    /// What was done since the last call, which is forgotten here: for runs that do more than is kept.
    public func takeLedger() -> [String] {
        core.withLock { core in
            defer { core.ledger = [] }
            return core.ledger
        }
    }

    /// What a person sees who looks the account up, whatever became of the calls: whether a step's effect is there.
    public func hasHappened(_ step: String, wabaID: String, phoneNumberID: String) -> Bool {
        core.withLock { core in
            switch step {
            case "share_credit_line": core.graph.fundedBy[wabaID] != nil
            case "sync_contacts": core.graph.phones[phoneNumberID]?.synced.contains("smb_app_state_sync") == true
            case "sync_history": core.graph.phones[phoneNumberID]?.synced.contains("history") == true
            case "register_phone": core.graph.phones[phoneNumberID]?.isConnected == true
            default: false
            }
        }
    }

    /// From now on these faults come.
    public func use(_ faults: FaultPlan) { core.withLock { $0.faults = faults } }

    func answer(
        method: String,
        uri: String,
        headers: (String) -> String?,
        body: String
    ) -> (GraphReply, Delivery) {
        if uri.hasPrefix("/simulator/") { return (control(method: method, uri: uri, body: body), .whole) }
        guard
            let call = GraphCall(
                method: method,
                uri: uri,
                authorization: headers("authorization"),
                contentType: headers("content-type"),
                body: body
            )
        else { return (.error(100, "Unsupported method", status: 405), .whole) }
        return core.withLock { core in
            // Read in here, so that the ledger's times are in the order of its lines.
            let now = clock()
            let endpoint = core.graph.endpoint(of: call)
            let account = core.graph.account(of: call, endpoint: endpoint)
            Self.append(
                &core,
                "request",
                endpoint,
                now,
                [
                    ("account", account.map { .string($0) } ?? .null),
                    ("caller", .string(core.graph.caller(of: call).name)), ("method", .string(call.method.rawValue)),
                    ("path", .string(call.path.joined(separator: "/"))),
                    ("user_agent", headers("user-agent").map { .string($0) } ?? .null),
                ]
            )
            // Also when a fault comes before the exchange: the business is one that a code has named.
            if endpoint == "exchange_code" { core.graph.see(call.parameters["code"] ?? "") }
            let fault = core.faults.next(for: endpoint, account: account, dice: &core.dice)
            if let fault {
                Self.append(&core, "fault", endpoint, now, [("fault", .string(fault.name))])
                if !fault.happens {
                    var (reply, delivery) = Self.before(fault)
                    reply.headers += core.graph.usage(of: call, endpoint: endpoint, throttledBy: fault, now: now)
                    Self.note(&core, reply, delivery, to: call, endpoint, account, now)
                    return (reply, delivery)
                }
            }
            var (reply, effects) = core.graph.answer(call, endpoint: endpoint, now: now)
            for effect in effects {
                Self.append(&core, "effect", endpoint, now, [("effect", .string(effect.name))] + effect.ids)
            }
            reply.headers.append(("x-fb-trace-id", "AEmbarkSim"))
            reply.headers += core.graph.usage(of: call, endpoint: endpoint, now: now)
            let (sent, delivery) = Self.after(fault, reply)
            Self.note(&core, sent, delivery, to: call, endpoint, account, now)
            return (sent, delivery)
        }
    }

    /// The HTTP status of a code where it is not 400 (Meta, "WhatsApp error codes").
    private static let statuses = [
        0: 401, 2: 503, 3: 500, 5: 403, 10: 403, 102: 401, 104: 401, 190: 401, 200: 403, 368: 403, 803: 404,
        131_000: 500, 131_005: 403, 131_016: 500, 131_031: 403, 131_045: 500, 131_057: 500, 133_000: 500, 133_004: 503,
    ]

    /// Nothing has happened, and this is what comes back.
    private static func before(_ fault: Fault) -> (GraphReply, Delivery) {
        switch fault {
        case .html502:
            let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
            return (GraphReply(status: 502, body: page, headers: [("content-type", "text/html")]), .whole)
        case .code(let code, let subcode):
            let status = Self.statuses[code] ?? 400
            return (.error(code, "(#\(code)) Simulated", subcode: subcode, status: status), .whole)
        case .wrongSecret: return (.error(1, "Error validating client secret."), .whole)
        case .resetBefore: return (GraphReply(status: 500, body: ""), .reset)
        case .silentBefore: return (GraphReply(status: 500, body: ""), .silent)
        case .transient:
            return (.error(131_016, "(#131016) Simulated", status: 500, isTransient: true), .whole)
        case .http500, .resetAfter, .silentAfter, .truncated, .badJSON, .malformed, .slow, .wrongLength, .huge,
            .deepJSON, .longHeader, .odd, .usage:
            return (GraphReply(status: 500, body: ""), .whole)
        }
    }

    /// It has happened, and this is how the answer fares.
    private static func after(_ fault: Fault?, _ reply: GraphReply) -> (GraphReply, Delivery) {
        var reply = reply
        switch fault {
        case nil, .http500, .html502, .code, .resetBefore, .silentBefore, .transient, .wrongSecret:
            return (reply, .whole)
        case .usage(let text):
            reply.headers.removeAll { $0.0 == "x-business-use-case-usage" }
            reply.headers.append(("x-business-use-case-usage", text))
            return (reply, .whole)
        case .wrongLength: return (reply, .wrongLength)
        case .huge: return (reply, .huge(bytes: 100 << 20))
        case .longHeader: reply.headers.append(("x-long", String(repeating: "x", count: 1 << 20)))
        case .deepJSON:
            reply.error = nil
            reply.body = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        case .odd(let kind):
            reply.error = nil
            reply.body = kind.body
        case .resetAfter: return (reply, .reset)
        case .silentAfter: return (reply, .silent)
        case .truncated: return (reply, .half)
        case .slow: return (reply, .byteByByte)
        case .badJSON:
            reply.error = nil
            reply.body = "{\"success\": tru"
        case .malformed:
            reply.error = nil
            reply.body = "{}"
        }
        return (reply, .whole)
    }

    /// A line about an answer by which something may have to rest: one with an error, or with a time to regain access. One that
    /// does not arrive whole tells nothing.
    private static func note(
        _ core: inout Core,
        _ reply: GraphReply,
        _ delivery: Delivery,
        to call: GraphCall,
        _ endpoint: String,
        _ account: String?,
        _ now: Double
    ) {
        let regain = SimulatedGraph.regainSeconds(in: reply.headers)
        guard delivery == .whole, reply.error != nil || regain > 0 else { return }
        append(
            &core,
            "answer",
            endpoint,
            now,
            [
                ("account", account.map { .string($0) } ?? .null),
                ("caller", .string(core.graph.caller(of: call).name)),
                ("path", .string(call.path.joined(separator: "/"))), ("status", .int(reply.status)),
                ("code", reply.error.map { .int($0.code) } ?? .null),
                ("subcode", reply.error?.subcode.map { .int($0) } ?? .null),
                ("message", reply.error.map { .string($0.message) } ?? .null), ("regain_seconds", .string("\(regain)")),
            ]
        )
    }

    private static func append(
        _ core: inout Core,
        _ kind: String,
        _ endpoint: String,
        _ now: Double,
        _ more: [(String, Value)]
    ) {
        guard core.ledger.count < ledgerMax else {
            core.dropped += 1
            return
        }
        let members: [(String, Value)] = [
            ("at", .string(String(format: "%.6f", now))), ("kind", .string(kind)), ("endpoint", .string(endpoint)),
        ]
        core.ledger.append(Value.object(members + more).text)
    }
}

// MARK: The simulator's own calls

extension Simulator {
    private func control(method: String, uri: String, body: String) -> GraphReply {
        switch (method, uri) {
        case ("POST", "/simulator/codes"): return mint(body)
        case ("PUT", "/simulator/faults"): return setFaults(body)
        case ("GET", "/simulator/ledger"):
            let (lines, dropped) = core.withLock { ($0.ledger, $0.dropped) }
            let mark = dropped > 0 ? "{\"kind\":\"dropped\",\"lines\":\(dropped)}\n" : ""
            return GraphReply(
                status: 200,
                body: lines.map { $0 + "\n" }.joined() + mark,
                headers: [("content-type", "application/x-ndjson")]
            )
        case ("GET", "/simulator/state"): return .ok(core.withLock { $0.graph.summary })
        default:
            return GraphReply(
                status: 404,
                body:
                    "There are POST /simulator/codes, PUT /simulator/faults, GET /simulator/ledger and /simulator/state.\n"
            )
        }
    }

    private func mint(_ body: String) -> GraphReply {
        guard
            let call = GraphCall(
                method: "POST",
                uri: "/",
                authorization: nil,
                contentType: "application/json",
                body: body
            ),
            let wabaID = call.parameters["waba_id"], let phoneID = call.parameters["phone_number_id"],
            let businessID = call.parameters["business_id"]
        else {
            return GraphReply(status: 400, body: "Give waba_id, phone_number_id and business_id as JSON strings.\n")
        }
        let now = clock()
        let pin = call.parameters["pin"]
        let redirectURI = call.parameters["redirect_uri"]
        let code = core.withLock { core in
            let code = core.graph.mint(
                .init(wabaID: wabaID, phoneNumberID: phoneID, businessID: businessID),
                redirectURI: redirectURI,
                now: now
            )
            if let pin { core.graph.setPIN(pin, of: phoneID) }
            return code
        }
        return .ok(["code": .string(code)])
    }

    private func setFaults(_ body: String) -> GraphReply {
        do throws(FaultPlanError) {
            let plan = try FaultPlan(json: body)
            core.withLock { $0.faults = plan }
            return .ok(["success": true])
        } catch {
            return GraphReply(status: 400, body: error.description + "\n")
        }
    }
}

extension SimulatedGraph {
    /// `GET /simulator/state`: what stands, without tokens.
    var summary: Value {
        let phones = phones.sorted { $0.key < $1.key }.map { id, phone -> Value in
            [
                "phone_number_id": .string(id), "connected": .bool(phone.isConnected),
                "register_calls": .int(phone.calls.count), "blocked": .bool(phone.blockedUntil > 0),
            ]
        }
        return [
            "codes": .list(
                codes.sorted { $0.key < $1.key }.map { ["code": .string($0.key), "spent": .bool($0.value.isSpent)] }
            ),
            "grants": .list(grants.values.map(\.assets.wabaID).sorted().map { .string($0) }),
            "subscriptions": .list(
                subscriptions.sorted { $0.key < $1.key }.map {
                    [
                        "waba_id": .string($0.key), "apps": .list($0.value.appIDs.sorted().map { .string($0) }),
                        "override_callback_uri": $0.value.overrideURI.map { .string($0) } ?? .null,
                    ]
                }
            ),
            "allocations": .list(
                allocations.values.sorted { $0.id < $1.id }.map {
                    ["allocation_config_id": .string($0.id), "waba_id": .string($0.wabaID)]
                }
            ),
            "registrations": .list(phones),
            "messages": .list(
                messages.map {
                    ["id": .string($0.id), "phone_number_id": .string($0.phoneNumberID), "to": .string($0.to)]
                }
            ),
        ]
    }
}
