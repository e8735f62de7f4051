/// What became of a call, as far as this side of the network can know it.
public enum GraphAnswer: Sendable, Equatable {
    /// Graph, or something in front of it, answered.
    case answered(GraphResponse)
    /// The request provably never left: name not resolved, connection refused, TLS refused. It may be sent again.
    case notSent(reason: String)
    /// It may have arrived: time-out, reset, an answer cut short. Its effect is unknown.
    case effectUnknown(reason: String)
}

public struct GraphResponse: Sendable, Equatable {
    public let status: Int
    public let content: Content
    /// What the usage headers say.
    public let usage: Usage

    public enum Content: Sendable, Equatable {
        /// A JSON value without Graph's error member.
        case value(JSON)
        /// Graph's error envelope.
        case error(GraphError)
        /// Not Graph's words: HTML of a proxy, a body that is no JSON or too large. A short description, no content.
        case unreadable(String)
    }

    /// The same answer, its error knowing for how long Graph asks to be left alone.
    public func naming(_ seconds: Double) -> GraphResponse {
        guard case .error(var error) = content else { return self }
        error.regainSeconds = seconds
        return GraphResponse(status: status, content: .error(error), usage: usage)
    }

    public init(status: Int, content: Content, usage: Usage = .none) {
        self.status = status
        self.content = content
        self.usage = usage
    }
}

/// Graph's error envelope (Meta, "WhatsApp error codes"). Classified by `code`; see `Classify`.
public struct GraphError: Sendable, Equatable {
    public let code: Int
    public let subcode: Int?
    /// Graph's words for developers, scrubbed of secrets and shortened by the client.
    public let message: String
    /// `error_data.details`: what WhatsApp's endpoints say besides.
    public let details: String?
    /// Whether Graph itself says that the same call may succeed later.
    public let isTransient: Bool
    /// What Meta's support asks for.
    public let fbtraceID: String?
    /// For how long Graph asks to be left alone, where it is said with the error: in a header or in the details.
    public var regainSeconds: Double?

    public init(
        code: Int,
        subcode: Int? = nil,
        message: String,
        details: String? = nil,
        isTransient: Bool = false,
        fbtraceID: String? = nil
    ) {
        self.code = code
        self.subcode = subcode
        self.message = message
        self.details = details
        self.isTransient = isTransient
        self.fbtraceID = fbtraceID
    }

    /// Reads the envelope from a body; nil for a body that is none. Every member but `code` may be missing or of another
    /// type: `error_data` is a bare string off WhatsApp's endpoints.
    public init?(body: JSON) {
        guard let error = body["error"], let code = error["code"]?.int else { return nil }
        let data = error["error_data"]
        self.init(
            code: code,
            subcode: error["error_subcode"]?.int,
            message: error["message"]?.string ?? "",
            details: data?["details"]?.string ?? data?.string,
            isTransient: error["is_transient"]?.bool ?? false,
            fbtraceID: error["fbtrace_id"]?.string
        )
    }

    /// As people and `error_code` have it: `100/36007`, `133005`.
    public var name: String { subcode.map { "\(code)/\($0)" } ?? "\(code)" }
}
