/// Everything that a worker process has to be told, checked at once before it touches a job.
import Onboarding
import Postgres

public struct WorkerSettings: Sendable {
    let database: DatabaseSettings
    /// For LISTEN; the same unless the ordinary connections go through a transaction pooler.
    let directDatabaseURL: Secret
    let graph: GraphSettings
    let appSecret: Secret
    /// Required for a solution partner.
    let systemToken: Secret?
    let keys: KeyRing
    /// Calls in flight, 1 to 10,000.
    let concurrency: Int
    /// How long calls in flight may go on after SIGTERM.
    let drainSeconds: Int
    /// How long attempts are kept, in days.
    let retentionDays: Int
    let listen: ListenAddress

    /// - Throws: `SettingsErrors` with every setting that is missing or malformed, not the first one alone.
    public init(sources: SettingSources) throws(SettingsErrors) {
        var problems: [SettingsError] = []
        func read(_ name: String) -> String {
            do throws(SettingsError) {
                return try sources.string(name)
            } catch {
                problems.append(error)
                return ""
            }
        }
        func secret(_ name: String) -> Secret {
            let text = read(name)
            if text.isEmpty, !problems.contains(where: { $0.name == name }) { problems.append(.missing(name: name)) }
            return Secret(text)
        }
        func checkHeaderText(_ text: String, _ name: String) {
            guard text.utf8.contains(where: { !(0x21...0x7E).contains($0) }) else { return }
            problems.append(
                .malformed(name: name, rule: "must be ASCII without blanks, line ends or control characters")
            )
        }
        func number(_ name: String, _ range: ClosedRange<Int>) -> Int {
            let text = read(name)
            if let number = Int(text), range.contains(number) { return number }
            problems.append(
                .malformed(name: name, rule: "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            )
            return range.lowerBound
        }

        let baseURL = read("EMBARK_GRAPH_URL")
        let version = read("EMBARK_GRAPH_VERSION")
        problems += Self.graphProblems(url: baseURL, version: version)
        let proof = read("EMBARK_APPSECRET_PROOF")
        if proof != "true" && proof != "false" {
            problems.append(.malformed(name: "EMBARK_APPSECRET_PROOF", rule: "must be true or false"))
        }
        var settings = GraphSettings(baseURL: baseURL, version: version, sendsAppSecretProof: proof == "true")
        do throws(SettingsError) {
            settings.authorities = try TrustedAuthorities.read(sources)
        } catch {
            problems.append(error)
        }
        graph = settings
        appSecret = secret("EMBARK_APP_SECRET")
        checkHeaderText(appSecret.revealed, "EMBARK_APP_SECRET")
        let token = read("EMBARK_SYSTEM_TOKEN")
        checkHeaderText(token, "EMBARK_SYSTEM_TOKEN")
        systemToken = token.isEmpty ? nil : Secret(token)
        let keyText = secret("EMBARK_SEALING_KEYS").revealed
        var ring: KeyRing?
        if !keyText.isEmpty {
            do throws(KeyRingError) {
                ring = try KeyRing(jwkSet: keyText)
            } catch {
                problems.append(.malformed(name: "EMBARK_SEALING_KEYS", rule: error.description))
            }
        }
        concurrency = number("EMBARK_CONCURRENCY", 1...10_000)
        drainSeconds = number("EMBARK_DRAIN_SECONDS", 0...3600)
        retentionDays = number("EMBARK_RETENTION_DAYS", 1...36_500)
        var address: ListenAddress?
        do throws(SettingsError) { address = try ListenAddress(sources: sources) } catch { problems.append(error) }
        directDatabaseURL = Secret(read("EMBARK_DIRECT_DATABASE_URL"))
        do throws(PostgresError) {
            _ = try ConnectionOptions(directDatabaseURL.revealed, applicationName: "embark")
        } catch {
            // Its own words are for a connection; here the setting is what has to be named.
            problems.append(
                .malformed(
                    name: "EMBARK_DIRECT_DATABASE_URL",
                    rule: "must be a PostgreSQL connection string: postgresql://USER@HOST:5432/DATABASE"
                )
            )
        }
        do throws(SettingsError) { _ = try LogSettings.level(sources) } catch { problems.append(error) }
        do throws(SettingsError) { _ = try LogSettings.format(sources, isTerminal: false) } catch {
            problems.append(error)
        }
        do throws(SettingsError) {
            database = try DatabaseSettings(sources: sources)
            _ = try database.connectionOptions(applicationName: "embark")
        } catch {
            problems.append(error)
            throw SettingsErrors(problems)
        }
        guard problems.isEmpty, let ring, let address else { throw SettingsErrors(problems) }
        keys = ring
        listen = address
    }

    /// For the connections that claim and settle.
    ///
    /// Plans must not depend on when they were made: on an empty queue the planner would take a sequential scan, and keep it
    /// while the queue grows. Through a transaction pooler a session has no settings and no prepared statements of its own.
    func workerConnectionOptions() throws(SettingsError) -> ConnectionOptions {
        var options = try database.connectionOptions(applicationName: "embark worker")
        if directDatabaseURL.revealed.isEmpty {
            options.sessionSettings = Self.stablePlans
        } else {
            options.preparesStatements = false
        }
        return options
    }

    static let stablePlans = [
        "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
        "jit": "off", "plan_cache_mode": "force_generic_plan",
        // Marks and results are durable whatever the database's default is; a claim waives it for itself.
        "synchronous_commit": "on", "idle_in_transaction_session_timeout": "10s",
    ]

    /// What is wrong with where Graph is said to be.
    static func graphProblems(url: String, version: String) -> [SettingsError] {
        var problems: [SettingsError] = []
        if !isSafe(url) {
            problems.append(
                .malformed(
                    name: "EMBARK_GRAPH_URL",
                    rule: "must be https://HOST, or http://127.0.0.1:PORT for a simulator"
                )
            )
        }
        if version.wholeMatch(of: /v[0-9]{1,3}\.[0-9]{1,2}/) == nil {
            problems.append(.malformed(name: "EMBARK_GRAPH_VERSION", rule: "must be a version such as v25.0"))
        }
        return problems
    }

    /// Tokens travel there: encrypted, or not off this machine.
    private static func isSafe(_ url: String) -> Bool {
        let encrypted = /https:\/\/[A-Za-z0-9.-]+(?::([0-9]{1,5}))?/
        let loopback = /http:\/\/(?:127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|localhost|\[::1\])(?::([0-9]{1,5}))?/
        guard let match = url.wholeMatch(of: encrypted) ?? url.wholeMatch(of: loopback) else { return false }
        // A port that is none would end the process when it is connected to.
        guard let port = match.output.1 else { return true }
        return Int(port).map { (1...65_535).contains($0) } ?? false
    }
}

/// All that is wrong with a process's settings.
public struct SettingsErrors: Error, CustomStringConvertible {
    public let errors: [SettingsError]

    init(_ errors: [SettingsError]) { self.errors = errors }

    public var description: String {
        errors.map(\.description).joined(separator: "\n")
    }
}
