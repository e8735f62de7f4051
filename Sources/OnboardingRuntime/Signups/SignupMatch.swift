/// A signup that a word may mean, with how it was found: a row of search_signups.
public import Postgres

public struct SignupMatch: RowDecodable {
    /// What the word is to the signup.
    public enum Kind: String, Sendable, CaseIterable {
        case id
        case externalID = "external_id"
        case wabaID = "waba_id"
        case phoneNumberID = "phone_number_id"
        /// Of one of its failed calls: Graph names a call in an error alone.
        case fbtraceID = "fbtrace_id"
    }

    public let foundBy: Kind
    /// The step of the call with that fbtrace id; nil for another kind.
    public let callStep: String?
    public let id: Int64
    public let externalID: String?
    public let state: String
    /// Where it is, or where it stopped; nil when it has ended well.
    public let step: String?
    public let errorCode: String?
    /// Since the signup last moved.
    public let age: Duration

    public static let columnTypes: [PostgresType] = [
        .text, .text, .int8, .text, .text, .text, .text, .interval,
    ]

    public init(_ row: inout RowReader) throws(PostgresError) {
        let name: String = try row.next()
        guard let kind = Kind(rawValue: name) else { throw .decoding("search_signups found by \(name)") }
        foundBy = kind
        callStep = try row.next()
        id = try row.next()
        externalID = try row.next()
        state = try row.next()
        step = try row.next()
        errorCode = try row.next()
        age = try row.next()
    }
}
