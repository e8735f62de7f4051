/// The credit line: sharing it, by one call or by two, reading it back, and taking it away (Meta, "Managing credit lines").
extension SimulatedGraph {
    private static let refused = GraphReply.error(200, "(#200) Permissions error", status: 403)
    private static let invalid = GraphReply.error(100, "(#100) Invalid parameter")
    private static let currencies = ["AUD", "EUR", "GBP", "IDR", "INR", "USD"]

    /// Each post makes an allocation of its own, so that a second one is seen.
    private mutating func allocate(lineID: String, wabaID: String, businessID: String) -> Allocation {
        let allocation = Allocation(
            id: "5850144\(1_000_000 + number())",
            lineID: lineID,
            wabaID: wabaID,
            businessID: businessID,
            credential: "7700\(1_000_000 + number())"
        )
        allocations[allocation.id] = allocation
        allocationsOf[businessID, default: []].append(allocation.id)
        return allocation
    }

    private func ids(_ wabaID: String, _ allocationID: String, _ currency: String) -> [(String, Value)] {
        [
            ("waba_id", .string(wabaID)), ("allocation_config_id", .string(allocationID)),
            ("currency", .string(currency)),
        ]
    }

    mutating func share(_ call: GraphCall, lineID: String, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard case .system = caller else { return (Self.refused, []) }
        guard let wabaID = call.parameters["waba_id"], let currency = call.parameters["waba_currency"],
            let businessID = businessOf[wabaID]
        else { return (Self.invalid, []) }
        guard Self.currencies.contains(currency) else {
            return (.error(100, "(#100) Param waba_currency is not supported"), [])
        }
        guard assigned[wabaID]?.isEmpty == false else {
            return (.error(200, "(#200) The system user has no access to the account", status: 403), [])
        }
        let allocation = allocate(lineID: lineID, wabaID: wabaID, businessID: businessID)
        fundedBy[wabaID] = allocation.credential
        return (
            .ok(["allocation_config_id": .string(allocation.id), "waba_id": .string(wabaID)]),
            [Effect(name: "share_credit_line", ids: ids(wabaID, allocation.id, currency))]
        )
    }

    /// The first of two calls: an allocation for the customer's business, which funds no account yet.
    mutating func shareAllocation(_ call: GraphCall, lineID: String, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard case .system = caller else { return (Self.refused, []) }
        guard let businessID = call.parameters["receiving_business_id"], assetsOf[businessID] != nil else {
            return (Self.invalid, [])
        }
        let allocation = allocate(lineID: lineID, wabaID: "", businessID: businessID)
        return (
            .ok(["success": true, "allocation_config_id": .string(allocation.id)]),
            [
                Effect(
                    name: "share_allocation",
                    ids: [("business_id", .string(businessID)), ("allocation_config_id", .string(allocation.id))]
                )
            ]
        )
    }

    /// The second: the account is funded by the allocation of its business.
    mutating func attachAllocation(_ call: GraphCall, lineID: String, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard let wabaID = call.parameters["waba_id"], let currency = call.parameters["waba_currency"],
            Self.currencies.contains(currency)
        else { return (Self.invalid, []) }
        if let refusal = guarded(wabaID, caller) { return (refusal, []) }
        guard
            let allocation = allocations(of: businessOf[wabaID]).first(where: { $0.lineID == lineID && !$0.isRevoked })
        else { return (Self.invalid, []) }
        fundedBy[wabaID] = allocation.credential
        return (
            .ok([
                "success": true, "waba_id": .string(wabaID), "allocation_config_id": .string(allocation.id),
            ]),
            [Effect(name: "share_credit_line", ids: ids(wabaID, allocation.id, currency))]
        )
    }

    /// nil for those of every business.
    private func allocations(of businessID: String?) -> [Allocation] {
        guard let businessID else { return Array(allocations.values) }
        return (allocationsOf[businessID] ?? []).compactMap { allocations[$0] }
    }

    func listAllocations(_ call: GraphCall, lineID: String, _ caller: Caller) -> GraphReply {
        guard case .system = caller else { return Self.refused }
        let found = allocations(of: call.parameters["receiving_business_id"]).filter { $0.lineID == lineID }
        return .ok([
            "data": .list(
                found.sorted { $0.id < $1.id }.map { allocation in
                    var members: [(String, Value)] = [
                        ("id", .string(allocation.id)),
                        (
                            "receiving_business",
                            ["name": "Simulated customer", "id": .string(allocation.businessID)]
                        ),
                    ]
                    if allocation.isRevoked { members.append(("request_status", "DELETED")) }
                    return .object(members)
                }
            )
        ])
    }

    func readAllocation(_ id: String, _ caller: Caller) -> GraphReply {
        guard case .system = caller, let allocation = allocations[id] else { return Self.missing(id) }
        var members: [(String, Value)] = [
            ("receiving_credential", ["id": .string(allocation.credential)]), ("id", .string(id)),
        ]
        if allocation.isRevoked { members.append(("request_status", "DELETED")) }
        return .ok(.object(members))
    }

    /// Takes the line from all accounts of that business (Meta, "Revoke").
    mutating func revokeAllocation(_ id: String, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard case .system = caller, let allocation = allocations[id] else { return (Self.missing(id), []) }
        allocations[id]?.isRevoked = true
        for (wabaID, business) in businessOf where business == allocation.businessID { fundedBy[wabaID] = nil }
        return (
            .ok(["success": true]), [Effect(name: "revoke_allocation", ids: [("allocation_config_id", .string(id))])]
        )
    }

    func listCreditLines(_ businessID: String, _ caller: Caller) -> GraphReply {
        guard case .system = caller else { return Self.refused }
        return .ok(["data": [["id": "1972385232742146", "legal_entity_name": "Simulated partner"]]])
    }
}
