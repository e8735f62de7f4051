/// What `embark doctor` may know of a worker's settings. None has to be there: an operator's machine has no secrets.
import Onboarding

public struct DoctorSettings: Sendable {
    /// nil where they are malformed.
    let graph: GraphSettings?
    let graphProblem: SettingsError?
    let appSecret: Secret?
    let systemToken: Secret?
    /// nil where `EMBARK_SEALING_KEYS` is not set or malformed.
    let keys: KeyRing?
    let keyProblem: SettingsError?

    /// - Throws: `SettingsError` when a source itself cannot be read. A malformed setting is a finding.
    public init(sources: SettingSources) throws(SettingsError) {
        (graph, graphProblem) = try Self.graph(sources)
        appSecret = try Self.secret("EMBARK_APP_SECRET", sources)
        systemToken = try Self.secret("EMBARK_SYSTEM_TOKEN", sources)
        do throws(SettingsError) {
            keys = try SealingSettings(sources: sources).keys
            keyProblem = nil
        } catch {
            keys = nil
            keyProblem = if case .missing = error { nil } else { error }
        }
    }

    private static func graph(_ sources: SettingSources) throws(SettingsError) -> (GraphSettings?, SettingsError?) {
        let url = try sources.string("EMBARK_GRAPH_URL")
        let version = try sources.string("EMBARK_GRAPH_VERSION")
        if let problem = WorkerSettings.graphProblems(url: url, version: version).first { return (nil, problem) }
        var graph = GraphSettings(baseURL: url, version: version, sendsAppSecretProof: false)
        do throws(SettingsError) {
            graph.authorities = try TrustedAuthorities.read(sources)
        } catch {
            return (nil, error)
        }
        return (graph, nil)
    }

    /// nil where it is not set. One that cannot stand in a header is refused by the call itself.
    private static func secret(_ name: String, _ sources: SettingSources) throws(SettingsError) -> Secret? {
        do throws(SettingsError) {
            let text = try sources.string(name)
            return text.isEmpty ? nil : Secret(text)
        } catch {
            guard case .missing = error else { throw error }
            return nil
        }
    }
}
