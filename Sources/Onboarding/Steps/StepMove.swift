/// How a step goes on: a pure function of what is known and of what its calls have answered so far.
///
/// A step is at most a handful of calls. The worker asks for the next move, carries it out, adds what came of it to the
/// events, and asks again; it decides nothing itself.
public enum StepMove: Sendable, Equatable {
    case call(GraphRequest)
    case finish(Verdict)
}

/// What came of a move.
public enum StepEvent: Sendable, Equatable {
    case answer(to: Endpoint, GraphAnswer)
    /// The call was not made, because its precondition did not hold.
    case refused(Refusal)

    public enum Refusal: Sendable, Equatable {
        /// The number has had this many register calls in 72 hours, and may have no more.
        case registerQuota(used: Int)
        /// Another signup registers the number at this moment, or did so after this job was claimed: what was read of the
        /// number's status may be from before that.
        case registerElsewhere(signupID: Int64)
        /// Another signup shares a credit line with this account at this moment, or has done so.
        case creditShareElsewhere(signupID: Int64)
    }
}

/// All that a step's moves depend on, besides the events.
public struct StepContext: Sendable {
    public var signup: Signup
    public var installation: Installation
    public var credentials: Credentials
    /// An earlier execution of this job has set the sent mark and has not come back.
    public var wasSent: Bool
    /// What is left of the code's 30 seconds, by the database's clock; negative for a dead one.
    public var codeSecondsLeft: Double
    /// What is on record about sharing a credit line with this account; nil when nothing is.
    public var creditShare: CreditShare?
    /// The worker's time, in seconds since 1970: how long a token lives that Graph gives an end to. Nothing is due by it.
    public var unixSeconds: Double

    /// The account's row in embark.credit_shares.
    public struct CreditShare: Sendable, Equatable {
        public var signupID: Int64
        /// Calls that may have left so far: shares, and attachments where those are calls of their own.
        public var posts: Int
        public var attachments: Int
        public var secondsSincePost: Double
        /// Whether that signup is completed or cancelled: nothing more comes of it by itself.
        public var hasEnded: Bool

        public init(
            signupID: Int64,
            posts: Int,
            attachments: Int = 0,
            secondsSincePost: Double,
            hasEnded: Bool = false
        ) {
            self.signupID = signupID
            self.posts = posts
            self.attachments = attachments
            self.secondsSincePost = secondsSincePost
            self.hasEnded = hasEnded
        }
    }

    public init(
        signup: Signup,
        installation: Installation,
        credentials: Credentials,
        wasSent: Bool = false,
        codeSecondsLeft: Double = 30,
        creditShare: CreditShare? = nil,
        unixSeconds: Double = 0
    ) {
        self.signup = signup
        self.installation = installation
        self.credentials = credentials
        self.wasSent = wasSent
        self.codeSecondsLeft = codeSecondsLeft
        self.creditShare = creditShare
        self.unixSeconds = unixSeconds
    }
}

extension Step {
    /// What to do next, given what has come of the moves before, in order.
    public func nextMove(_ context: StepContext, after events: [StepEvent] = []) -> StepMove {
        switch self {
        case .exchangeCode: ExchangeCode.next(context, events)
        case .verifyGrant: VerifyGrant.next(context, events)
        case .subscribeApp: SubscribeApp.next(context, events)
        case .assignSystemUser: AssignSystemUser.next(context, events)
        case .shareCreditLine: ShareCreditLine.next(context, events)
        case .registerPhone: RegisterPhone.next(context, events)
        case .syncContacts: SyncAppData.next(context, events, type: "smb_app_state_sync")
        case .syncHistory: SyncAppData.next(context, events, type: "history")
        case .sendTestMessage: SendTestMessage.next(context, events)
        }
    }
}
