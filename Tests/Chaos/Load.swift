/// The upstream of a run: signups of all kinds, as fast as they are worked off.
import Foundation
import Invariants
import Postgres
import Support
import Synchronization

/// What signup `n` asks for. The divisors have nothing in common, so that everything meets everything.
struct Wish: Sendable {
    let n: Int

    /// Every 29th is a second signup of the account and the number before it, with a code of its own.
    private var customer: Int { n.isMultiple(of: 29) && n > 1 ? n - 1 : n }
    var wabaID: String { "1\(500_000_000 + customer)" }
    var phoneID: String { "2\(500_000_000 + customer)" }
    var businessID: String { "3\(500_000_000 + customer)" }
    var externalID: String { "chaos-\(n)" }

    var flow: String {
        switch customer % 10 {
        case 0...6: "cloud_api"
        case 7: "only_waba"
        case 8: "coexistence"
        default: "api_access_only"
        }
    }
    var hasMessage: Bool { flow == "cloud_api" && n.isMultiple(of: 3) }
    var namesBusiness: Bool { !n.isMultiple(of: 17) }
    var namesPhone: Bool { !n.isMultiple(of: 11) }
    var hasOverride: Bool { n.isMultiple(of: 13) }
    var hasPIN: Bool { n.isMultiple(of: 5) }

    func code(renewal: Int = 0) -> String { "\(wabaID).\(phoneID).\(businessID).\(Canary.code)\(n)r\(renewal)" }

    /// The fields of `embark.signup_inbox`.
    var fields: [String: String] {
        var fields = [
            "code": code(), "waba_id": wabaID, "currency": "USD", "external_id": externalID, "flow": flow,
        ]
        if namesPhone { fields["phone_number_id"] = phoneID }
        if namesBusiness { fields["business_id"] = businessID }
        if hasPIN { fields["pin"] = Canary.pin }
        if hasMessage { fields["test_recipient"] = "+16505551234" }
        if hasOverride {
            fields["webhook_override"] =
                #"{"override_callback_uri": "https://hooks.example.com/\#(n)", "verify_token": "\#(Canary.verifyToken)"}"#
        }
        return fields
    }
}

/// What must not be seen anywhere.
extension Canary {
    /// In each code.
    static let code = "canaryc0de"
    static let verifyToken = "canaryverifytoken"
    static let pin = "079797"
    static let appSecret = "canaryappsecret31d8"
    static let systemToken = "EAAcanarysystemtoken55b2"

    /// - Parameter keys: the key ring, a JWK Set.
    static func all(keys: String) throws -> [Canary] {
        guard let key = keys.firstMatch(of: /"k": *"([^"]+)"/) else { throw SupportError("a key ring without a key") }
        return [
            Canary("a code", text: code), Canary("a verify token", text: verifyToken), Canary("a PIN", pin: pin),
            Canary("the app secret", text: appSecret), Canary("the system token", text: systemToken),
            Canary("a business token", text: "SimulatedBusinessToken"), Canary("the sealing key", text: String(key.1)),
        ]
    }
}

/// Enqueues signups until it is told to stop, and remembers which PostgreSQL has acknowledged.
final class Load: Sendable {
    private static let batch = 20
    private static let enqueue = Statement<Single<Int64>, JSONText>(
        "chaos_enqueue",
        """
        SELECT embark.enqueue_signup(
                   code => x.code, waba_id => x.waba_id, phone_number_id => x.phone_number_id,
                   business_id => x.business_id, currency => x.currency, external_id => x.external_id,
                   flow => x.flow, pin => x.pin, test_recipient => x.test_recipient,
                   webhook_override => x.webhook_override::jsonb)
          FROM jsonb_to_recordset($1) AS x (
                   code text, waba_id text, phone_number_id text, business_id text, currency text, external_id text,
                   flow text, pin text, test_recipient text, webhook_override text)
        """
    )
    private static let waiting = Statement<Waiting>(
        "chaos_waiting",
        """
        SELECT count(*) FILTER (WHERE due_at <= clock_timestamp()), count(*) FROM embark.jobs
        """
    )
    /// What waits for its time, or for the lease of a worker that is gone, may pile up to this.
    private static let jobsMax: Int64 = 20_000

    private let upstream: Pool
    private let admin: Pool
    private let plan: ChaosPlan
    private let checker: InvariantChecker
    private let acknowledgedCount = Atomic(0)

    init(upstream: Pool, admin: Pool, plan: ChaosPlan, checker: InvariantChecker) {
        self.checker = checker
        self.upstream = upstream
        self.admin = admin
        self.plan = plan
    }

    /// Signups 1 to this number have been acknowledged.
    var acknowledged: Int { acknowledgedCount.load(ordering: .acquiring) }

    /// Keeps work due, so that nobody waits for it, until the task is cancelled, and returns behind a batch: none is left unknown.
    func run() async throws {
        while !Task.isCancelled {
            let waiting: Waiting
            do throws(PostgresError) {
                waiting = try await admin.run(Self.waiting(), deadline: .seconds(5))[0]
            } catch {
                await pause(0.1)
                continue
            }
            if waiting.due >= plan.depth || waiting.jobs >= Self.jobsMax {
                await pause(0.01)
                continue
            }
            let first = acknowledged + 1
            await checker.acknowledge(try await enqueue(first..<(first + Self.batch)))
            acknowledgedCount.store(first + Self.batch - 1, ordering: .releasing)
            await pause(Double(Self.batch) / plan.signupsPerSecondMax)
        }
    }

    /// Sent again until it is acknowledged, as an upstream with idempotency keys does when nobody knows whether it was.
    private func enqueue(_ numbers: Range<Int>) async throws -> [Int64] {
        let rows = numbers.map { Wish(n: $0).fields }
        let json = String(decoding: try JSONEncoder().encode(rows), as: UTF8.self)
        // Not cancelled with the run: an answer is needed.
        return try await Task { [upstream] in
            let end = ContinuousClock.now + .seconds(120)
            while true {
                do throws(PostgresError) {
                    return try await upstream.run(Self.enqueue(JSONText(json)), deadline: .seconds(5)).map(\.value)
                } catch {
                    guard ContinuousClock.now < end else {
                        throw SupportError("signups \(numbers) could not be enqueued for two minutes: \(error)")
                    }
                }
                await pause(0.1)
            }
        }.value
    }
}

private struct Waiting: RowDecodable {
    let due: Int64
    let jobs: Int64

    static let columnTypes: [PostgresType] = [.int8, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        due = try row.next()
        jobs = try row.next()
    }
}

/// By the clock; ends early when the task is cancelled.
func pause(_ seconds: Double) async {
    do {
        try await ContinuousClock().sleep(for: .seconds(seconds))
    } catch {
        // Cancelled: whoever pauses looks for that itself.
    }
}
