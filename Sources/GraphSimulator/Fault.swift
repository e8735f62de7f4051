/// Faults on purpose: what can go wrong between a worker and Graph, by endpoint, at random from a seed or in an order.
import Foundation

enum Fault: Sendable, Equatable {
    /// 500 without a body of Graph's.
    case http500
    /// A proxy's HTML.
    case html502
    /// A Graph error with this code; nothing has happened.
    case code(Int, subcode: Int?)
    /// The connection is reset before anything has happened.
    case resetBefore
    /// It happened, and then the connection was reset.
    case resetAfter
    /// No answer; nothing has happened.
    case silentBefore
    /// It happened, and no answer comes.
    case silentAfter
    /// It happened; half of the answer comes.
    case truncated
    /// It happened; the answer is no JSON.
    case badJSON
    /// It happened; the answer lacks what the call is for.
    case malformed
    /// It happened; the answer comes a byte at a time.
    case slow
    /// 500 with a Graph error that calls itself transient; nothing has happened.
    case transient
    /// What the exchange answers to a wrong app secret; the code stays good.
    case wrongSecret
    /// It happened; the answer's Content-Length is longer than its body.
    case wrongLength
    /// It happened; the answer has 100 MB.
    case huge
    /// It happened; the answer is JSON, 10,000 deep.
    case deepJSON
    /// It happened; the answer has a header of 1 MB.
    case longHeader
    /// It happened; the answer is JSON that parsers differ about.
    case odd(OddJSON)
    /// It happened; the answer carries this X-Business-Use-Case-Usage.
    case usage(String)

    enum OddJSON: String, Sendable, CaseIterable {
        case nul
        case loneSurrogate = "lone_surrogate"
        case duplicateKeys = "duplicate_keys"
        case hugeNumber = "huge_number"

        var body: String {
            switch self {
            case .nul: #"{"success": true, "note": "a\u0000b"}"#
            case .loneSurrogate: #"{"success": true, "note": "\ud800"}"#
            case .duplicateKeys: #"{"success": false, "success": true}"#
            case .hugeNumber: #"{"success": true, "id": 1e999999, "count": 123456789012345678901234567890}"#
            }
        }
    }

    /// Every name that can stand in a plan, for messages.
    static let names =
        [
            "http500", "html502", "transient", "wrong_secret", "code:N", "code:N/SUBCODE", "reset_before",
            "reset_after",
            "silent_before",
            "silent_after", "truncated", "bad_json", "malformed", "slow", "wrong_length", "huge", "deep_json",
            "long_header", "usage:PERCENT", "usage:PERCENT:MINUTES", "usage_raw:TEXT",
        ] + OddJSON.allCases.map(\.rawValue)

    init?(name: String) {
        switch name {
        case "http500": self = .http500
        case "html502": self = .html502
        case "reset_before": self = .resetBefore
        case "reset_after": self = .resetAfter
        case "silent_before": self = .silentBefore
        case "silent_after": self = .silentAfter
        case "truncated": self = .truncated
        case "bad_json": self = .badJSON
        case "malformed": self = .malformed
        case "slow": self = .slow
        case "transient": self = .transient
        case "wrong_secret": self = .wrongSecret
        case "wrong_length": self = .wrongLength
        case "huge": self = .huge
        case "deep_json": self = .deepJSON
        case "long_header": self = .longHeader
        default:
            if let odd = OddJSON(rawValue: name) {
                self = .odd(odd)
                return
            }
            if let match = name.wholeMatch(of: /usage:([0-9]{1,4})(?::(-?[0-9]{1,12}))?/) {
                let minutes = match.2.map(String.init) ?? "0"
                self = .usage(
                    #"{"0":[{"type":"whatsapp_business_management","call_count":\#(match.1),"total_cputime":1,"#
                        + #""total_time":1,"estimated_time_to_regain_access":\#(minutes)}]}"#
                )
                return
            }
            if name.hasPrefix("usage_raw:") {
                self = .usage(String(name.dropFirst("usage_raw:".count)))
                return
            }
            guard let match = name.wholeMatch(of: /code:([0-9]{1,9})(?:\/([0-9]{1,9}))?/),
                let code = Int(match.1)
            else { return nil }
            self = .code(code, subcode: match.2.flatMap { Int($0) })
        }
    }

    /// Whether the call has its effect all the same.
    var happens: Bool {
        switch self {
        case .http500, .html502, .code, .resetBefore, .silentBefore, .transient, .wrongSecret: false
        case .resetAfter, .silentAfter, .truncated, .badJSON, .malformed, .slow, .wrongLength, .huge, .deepJSON,
            .longHeader, .odd, .usage:
            true
        }
    }

    /// As the ledger has it.
    var name: String {
        switch self {
        case .http500: "http500"
        case .html502: "html502"
        case .code(let code, let subcode): "code:\(code)" + (subcode.map { "/\($0)" } ?? "")
        case .resetBefore: "reset_before"
        case .resetAfter: "reset_after"
        case .silentBefore: "silent_before"
        case .silentAfter: "silent_after"
        case .truncated: "truncated"
        case .badJSON: "bad_json"
        case .malformed: "malformed"
        case .slow: "slow"
        case .transient: "transient"
        case .wrongSecret: "wrong_secret"
        case .wrongLength: "wrong_length"
        case .huge: "huge"
        case .deepJSON: "deep_json"
        case .longHeader: "long_header"
        case .odd(let kind): kind.rawValue
        case .usage: "usage"
        }
    }
}

/// Which faults come: by endpoint, `*` for every one, `ENDPOINT@ID` for the calls about one account; a number is a probability, a list scripts the next calls in order.
public struct FaultPlan: Sendable {
    /// In the order of the names, so that a seed means the same each time.
    private var random: [String: [(fault: Fault, probability: Double)]] = [:]
    private var scripts: [String: [Fault?]] = [:]

    public init() {}

    /// Reads `{"register_phone": {"http500": 0.1, "reset_after": [1, 0]}, "share_credit_line": ["silent_after", null]}`.
    ///
    /// - Throws: `FaultPlanError`, naming the endpoint and the fault.
    public init(json: String) throws(FaultPlanError) {
        let object: [String: Any]
        do {
            guard let read = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else {
                throw FaultPlanError("the faults must be a JSON object by endpoint")
            }
            object = read
        } catch let error as FaultPlanError {
            throw error
        } catch {
            throw FaultPlanError("the faults are not JSON")
        }
        for (endpoint, value) in object {
            let name = endpoint.wholeMatch(of: /(.+)@[0-9]{1,32}/).map { String($0.1) } ?? endpoint
            guard name == "*" || SimulatedGraph.endpoints.contains(name) else {
                throw FaultPlanError(
                    "there is no endpoint \(name): \(SimulatedGraph.endpoints.joined(separator: ", "))"
                )
            }
            try read(value, for: endpoint)
        }
    }

    private mutating func read(_ value: Any, for endpoint: String) throws(FaultPlanError) {
        if let list = value as? [Any] {
            var script: [Fault?] = []
            for entry in list {
                if entry is NSNull {
                    script.append(nil)
                } else if let name = entry as? String {
                    script.append(try Self.fault(name, endpoint))
                } else {
                    throw FaultPlanError("\(endpoint): a list holds names of faults and null")
                }
            }
            scripts[endpoint] = script
            return
        }
        guard let kinds = value as? [String: Any] else {
            throw FaultPlanError("\(endpoint): give an object of faults, or a list of them")
        }
        for name in kinds.keys.sorted() {
            let fault = try Self.fault(name, endpoint)
            if let number = kinds[name] as? Double, (0...1).contains(number) {
                random[endpoint, default: []].append((fault, number))
            } else if let list = kinds[name] as? [Int] {
                scripts[endpoint] = list.map { $0 == 0 ? nil : fault }
            } else {
                throw FaultPlanError("\(endpoint).\(name): give a probability from 0 to 1, or a list of 0 and 1")
            }
        }
    }

    private static func fault(_ name: String, _ endpoint: String) throws(FaultPlanError) -> Fault {
        guard let fault = Fault(name: name) else {
            throw FaultPlanError("\(endpoint): there is no fault \(name): \(Fault.names.joined(separator: ", "))")
        }
        return fault
    }

    /// The fault of this call, if it has one.
    mutating func next(for endpoint: String, account: String?, dice: inout SeededGenerator) -> Fault? {
        let names = (account.map { ["\(endpoint)@\($0)"] } ?? []) + [endpoint, "*"]
        for name in names {
            if let script = scripts[name], !script.isEmpty {
                scripts[name]?.removeFirst()
                return script[0]
            }
        }
        for name in names {
            for (fault, probability) in random[name] ?? [] where Double.random(in: 0..<1, using: &dice) < probability {
                return fault
            }
        }
        return nil
    }
}

/// Why faults could not be read.
public struct FaultPlanError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
