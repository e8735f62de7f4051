/// How near the limits a caller is: the usage headers that come with every answer (Meta, "Graph API rate limiting").
extension SimulatedGraph {
    /// Calls an hour: of an account without a registered number, of one with, and of the credit line's edges.
    static let callsOfFreshAccount = 200
    static let callsOfAccount = 5_000
    static let callsOfCredit = 5_000
    static let usageWindowSeconds = 3600.0

    /// Codes that say that a limit was hit: of the app, of a user, custom, of an account, of a number.
    private static let throttles: Set<Int> = [4, 17, 32, 341, 613, 80_007, 80_008, 130_429]
    /// What Graph names when a limit was hit.
    private static let throttledMinutes = 5

    /// Counts the call for what it is about, and says how much of the limit is used.
    mutating func usage(
        of call: GraphCall,
        endpoint: String,
        throttledBy fault: Fault? = nil,
        now: Double
    ) -> [(String, String)] {
        let isCredit = ["share_credit_line", "list_allocations", "read_allocation"].contains(endpoint)
        let subject = isCredit ? call.parameters["waba_id"] ?? call.path.first ?? "0" : call.path.first ?? "0"
        let key = account(of: subject) ?? subject
        calls[key, default: []].removeAll { $0 <= now - Self.usageWindowSeconds }
        calls[key, default: []].append(now)
        let isRegistered = phonesOf[key]?.contains { phones[$0]?.isConnected == true } == true
        let limit = isCredit ? Self.callsOfCredit : isRegistered ? Self.callsOfAccount : Self.callsOfFreshAccount
        var percent = (calls[key]?.count ?? 0) * 100 / limit
        var minutes = 0
        if case .code(let code, _) = fault, Self.throttles.contains(code) {
            percent = 100
            minutes = Self.throttledMinutes
        }
        let type = endpoint == "send_test_message" ? "whatsapp" : "whatsapp_business_management"
        let entry: Value = [
            "type": .string(type), "call_count": .int(percent), "total_cputime": .int(1), "total_time": .int(1),
            "estimated_time_to_regain_access": .int(minutes),
        ]
        return [
            ("x-app-usage", #"{"call_count":1,"total_cputime":1,"total_time":1}"#),
            ("x-business-use-case-usage", Value.object([(key, .list([entry]))]).text),
        ]
    }

    /// The seconds to regain access that usage headers name: 0 for none, and for those that name more than one caller.
    static func regainSeconds(in headers: [(String, String)]) -> Double {
        guard let text = headers.last(where: { $0.0 == "x-business-use-case-usage" })?.1,
            !text.hasSuffix(#""estimated_time_to_regain_access":0}]}"#),
            let match = text.wholeMatch(
                of: /\{"[^"]+":\[\{[^{}]*"estimated_time_to_regain_access":([0-9.]{1,12})\}\]\}/
            )
        else { return 0 }
        return (Double(match.1) ?? 0) * 60
    }

    /// The account of a number, or the account itself.
    private func account(of id: String) -> String? {
        businessOf[id] != nil ? id : accountOf[id]
    }
}
