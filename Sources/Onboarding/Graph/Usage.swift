/// How near its limits Graph says that we are: the usage headers (Meta, "Graph API rate limiting").
public struct Usage: Sendable, Equatable {
    /// Of one account or business: an entry of X-Business-Use-Case-Usage.
    public struct Entry: Sendable, Equatable {
        public let id: String
        /// The highest of its three figures, in whole percents.
        public let percent: Int
        /// Until calls are let through again; nil while they are.
        public let regainSeconds: Double?
    }

    /// X-App-Usage: the highest of its figures, in whole percents.
    public var appPercent: Int?
    public var entries: [Entry]
    /// Retry-After, which no page of Meta's promises.
    public var retryAfterSeconds: Double?

    public static let none = Usage()
    /// Meta says that there are up to 32.
    static let entriesMax = 64

    public init(appPercent: Int? = nil, entries: [Entry] = [], retryAfterSeconds: Double? = nil) {
        self.appPercent = appPercent
        self.entries = entries
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// Reads the headers' values; what is missing or of another form says nothing.
    public init(app: JSON?, business: JSON?, retryAfter: String?) {
        appPercent = app.flatMap(Self.percent)
        entries = []
        if case .object(let members)? = business {
            for (id, list) in members.sorted(by: { $0.key < $1.key }) {
                for entry in list.array ?? [] where entries.count < Self.entriesMax {
                    let minutes = entry["estimated_time_to_regain_access"]?.number
                    entries.append(
                        Entry(
                            id: id,
                            percent: Self.percent(entry) ?? 0,
                            regainSeconds: minutes.flatMap { $0 > 0 ? $0 * 60 : nil }
                        )
                    )
                }
            }
        }
        retryAfterSeconds = retryAfter.flatMap { Double($0) }.flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
    }

    private static func percent(_ value: JSON) -> Int? {
        ["call_count", "total_cputime", "total_time"].compactMap { value[$0]?.number }.max().map {
            Int(min(max($0, 0), 1_000))
        }
    }

    /// The entries that are about this call: those of its account, and a single one whatever its key, which can be the
    /// business's.
    public func entries(of wabaID: String?) -> [Entry] {
        let ids = Set(entries.map(\.id))
        return ids.count == 1 ? entries : entries.filter { $0.id == wabaID }
    }

    func regainSeconds(of wabaID: String?) -> Double? {
        entries(of: wabaID).compactMap(\.regainSeconds).max()
    }

    /// How much of what the calls of this scope share is used; nil when nothing was said about it.
    public func percents(for request: GraphRequest, of signup: Signup) -> [(scope: Scope, percent: Int)] {
        var percents: [(scope: Scope, percent: Int)] = []
        if let appPercent { percents.append((.app, appPercent)) }
        if let own = request.own(signup), let percent = entries(of: signup.wabaID).map(\.percent).max() {
            percents.append((own, percent))
        }
        return percents
    }

    /// The share of a scope's calls that are still let through at so many percent: half from 80 on, a tenth from 90.
    public static func shareLetThrough(atPercent percent: Int) -> Double {
        percent >= 90 ? 0.1 : percent >= 80 ? 0.5 : 1
    }
}
