/// Graph and what we show it: whether it can be reached from here, for how long the version lives, and whether our own
/// credentials are good.
import Foundation
import Onboarding
import Postgres

/// As whom doctor calls Graph.
struct GraphCaller: Sendable {
    /// nil without an installation.
    let appID: String?
    /// Meta's limits or an operator let the app rest: it is called by nobody.
    let appRests: Bool

    static let nobody = GraphCaller(appID: nil, appRests: false)
}

extension Doctor {
    /// Days before the end of a Graph version from which on it is warned of.
    private static let versionDays: Int64 = 90

    func keyRing() -> Finding {
        if let problem = settings.keyProblem {
            return .fail("keys", problem.description, remedy: "embark key new prints a good one. Restore yours.")
        }
        guard let ids = settings.keys?.keyIDs, let first = ids.first else {
            return .ok("keys", "EMBARK_SEALING_KEYS is not set here; only workers need it")
        }
        return .ok("keys", "\(ids.count) in EMBARK_SEALING_KEYS, \(first) seals")
    }

    func version(on now: Timestamp) -> Finding {
        guard let version = settings.graph?.version else {
            return .fail("graph version", settings.graphProblem?.description ?? "", remedy: "Correct the setting.")
        }
        let today = now.microseconds.flooredDays
        let remedy = "Set EMBARK_GRAPH_VERSION to \(GraphVersion.newest) on every worker, and restart them one by one."
        switch GraphVersion.standing(of: version, daysSince2000: today) {
        case .livesWithoutEnd: return .ok("graph version", "\(version), of which this program knows no end")
        case .unheardOf:
            return .warn(
                "graph version",
                "\(version) is none that this program knows: its answers may mean something else",
                remedy: remedy
            )
        case .lives(let end, let days) where days <= Self.versionDays:
            return .warn("graph version", "\(version) ends on \(end), in \(days) days", remedy: remedy)
        case .lives(let end, _): return .ok("graph version", "\(version), until \(end)")
        case .ended(let end): return .fail("graph version", "\(version) ended on \(end)", remedy: remedy)
        case .endedLongAgo: return .fail("graph version", "\(version) ended long ago", remedy: remedy)
        }
    }

    /// One call that changes nothing: the inspection of our system user's token where there is one and the app may be called,
    /// else a call as nobody, which Graph refuses in its own words.
    func graph(as caller: GraphCaller, now: Timestamp) async -> [Finding] {
        guard let graph = settings.graph else { return [] }
        let request: GraphRequest
        var credentials = Credentials(appID: "", appSecret: Secret(""))
        if let appID = caller.appID, let secret = settings.appSecret, let token = settings.systemToken,
            !caller.appRests
        {
            credentials = Credentials(appID: appID, appSecret: secret, systemToken: token)
            request = .inspection(of: token)
        } else {
            request = GraphRequest(.debugToken, .get, path: "debug_token", token: .none)
        }
        return await Self.check("graph") { [credentials] in
            let pools = GraphClient.Pools(connectionsMax: 1, authorities: graph.authorities)
            let answer = await GraphClient(http: pools, settings: graph)
                .send(request, credentials: credentials, seconds: limits.deadline / .seconds(1))
            try await pools.shutdown()
            let reachable = reachability(answer, of: graph)
            guard request.token == .app else {
                return [reachable, .ok("credentials", "not tried: " + whyUntried(caller))]
            }
            guard case .answered(let response) = answer, !response.isOutage else { return [reachable] }
            return [reachable] + ownCredentials(response, appID: credentials.appID, now: now)
        }
    }

    private func whyUntried(_ caller: GraphCaller) -> String {
        if settings.appSecret == nil || settings.systemToken == nil {
            return "EMBARK_APP_SECRET and EMBARK_SYSTEM_TOKEN are not both set here"
        }
        return caller.appRests ? "app rests" : "no installation names the app"
    }

    private func reachability(_ answer: GraphAnswer, of graph: GraphSettings) -> Finding {
        let remedy =
            "Look at EMBARK_GRAPH_URL, at SSL_CERT_FILE, and at this machine's DNS, firewall, proxy and CA certificates."
        switch answer {
        case .answered(let response) where response.isOutage:
            // With Graph's own words or with a page of what stands in front of it.
            let said = if case .error(let error) = response.content { ", \(error.name) \(error.message)" } else { "" }
            return .warn(
                "graph",
                "\(graph.baseURL) answers with HTTP \(response.status)\(said)",
                remedy: "Look at https://metastatus.com. Workers try again by themselves."
            )
        case .answered(let response):
            switch response.content {
            case .value, .error:
                return .ok("graph", "\(graph.baseURL) answers")
            case .unreadable(let what):
                return .fail("graph", "at \(graph.baseURL) something else answers: \(what)", remedy: remedy)
            }
        case .notSent(let reason), .effectUnknown(let reason):
            return .fail("graph", "\(graph.baseURL) cannot be reached: \(reason)", remedy: remedy)
        }
    }

    /// Only what is said of our credentials makes them wrong: any other error leaves open whether they are good.
    private func refused(_ error: GraphError, status: Int) -> Finding {
        let said = "\(error.name) \(error.message)"
        guard error.refusesOurApp(status: status) else {
            let explained =
                ExplainedCode.all(of: error.name).isEmpty ? "" : " What it means: embark errors \(error.name)"
            return .warn(
                "credentials",
                "Graph did not say whether they are good: \(said)",
                remedy: "Run doctor again in some minutes." + explained
            )
        }
        if error.namesUnknownApp {
            return .fail(
                "credentials",
                "Graph does not know the installation's app: \(said)",
                remedy: "Run embark configure --app-id with the app's id, and see that EMBARK_APP_SECRET is that app's."
            )
        }
        return .fail(
            "credentials",
            "Graph refuses the app's own token: \(said)",
            remedy: "Set EMBARK_APP_SECRET anew and restart the workers."
        )
    }

    private func ownCredentials(_ response: GraphResponse, appID: String, now: Timestamp) -> [Finding] {
        func fail(_ message: String, _ secret: String) -> [Finding] {
            [.fail("credentials", message, remedy: "Set \(secret) anew and restart the workers.")]
        }
        switch response.content {
        case .error(let error):
            return [refused(error, status: response.status)]
        case .unreadable:
            return []
        case .value(let value):
            guard let grant = Grant(value), grant.isValid else {
                return fail("Graph says that EMBARK_SYSTEM_TOKEN is not valid", "EMBARK_SYSTEM_TOKEN")
            }
            guard grant.appID == appID else {
                return fail("EMBARK_SYSTEM_TOKEN belongs to another app than the installation's", "EMBARK_SYSTEM_TOKEN")
            }
            guard let end = grant.expiresAt else { return [.ok("credentials", "the system user's token has no end")] }
            let days = (end - now.unixSeconds) / 86_400
            if days > Int(Self.tokenDays) {
                return [.ok("credentials", "the system user's token lives \(days) days more")]
            }
            return [
                .warn(
                    "credentials",
                    "EMBARK_SYSTEM_TOKEN ends in \(max(days, 0)) days",
                    remedy: "Generate a new one (Business settings > System users) and restart the workers."
                )
            ]
        }
    }
}

extension GraphResponse {
    /// Meta's own trouble, whoever of Meta's puts it into words.
    fileprivate var isOutage: Bool { status >= 500 }
}

extension Timestamp {
    /// 946,684,800 s lie between the Unix epoch and PostgreSQL's, 2000-01-01.
    fileprivate var unixSeconds: Int { Int(microseconds / 1_000_000) + 946_684_800 }
}

extension Int64 {
    /// Whole days in so many microseconds.
    fileprivate var flooredDays: Int64 { self / 86_400_000_000 }
}
