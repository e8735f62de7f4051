/// Where the server is and how to reach it, and how that may be told without telling a secret.
internal import CPostgres

/// A parsed connection string with this program's own defaults.
///
/// Unless the string sets them, a connection has TCP keepalives (first after 10 s, then each 5 s, 3 times) and a limit of
/// 15 s on data that nobody acknowledges, so that a half-open network is noticed within 20 s. The client encoding is
/// always UTF8.
public struct ConnectionOptions: Sendable {
    /// How long to try each host. 5 s unless the string sets `connect_timeout`, and 2 s for each of several, lest the one that
    /// is gone use up the time of the others. With more than one host libpq counts in whole seconds, at least 2.
    public var connectTimeout: Duration

    /// Settings of each session, by name, as `-c` on the server's command line would set them. A transaction pooler
    /// refuses them.
    public var sessionSettings: [String: String] = [:]
    /// Whether statements are prepared once and kept by name. Not through a transaction pooler, behind which each
    /// transaction may meet another session.
    public var preparesStatements = true

    /// Where a connection goes, such as "db.example:5432/embark as worker": for messages, without any secret.
    public let description: String

    /// Where the server is: names, addresses, or paths of sockets, in the order in which they are tried. Empty for libpq's
    /// default, a socket.
    public let hosts: [String]
    /// libpq's `sslmode`: how far the server must prove who it is.
    public let tlsMode: String
    /// libpq's `target_session_attrs`: which of several hosts will do.
    public let wantedSession: String

    /// What is handed to libpq, without `connect_timeout`.
    private let settings: [String: String]
    /// How many hosts the string or the environment names.
    private let hostCount: Int

    /// - Parameters:
    ///   - connectionString: a libpq URI or keyword string; "" is libpq's own PG* variables and defaults.
    ///   - applicationName: what `pg_stat_activity` shows, unless the string or PGAPPNAME says otherwise.
    /// - Throws: `invalidOptions`, which shows nothing of the string: it may hold a password.
    public init(_ connectionString: String, applicationName: String) throws(PostgresError) {
        var settings = try Conninfo.parse(connectionString)
        let effective = Conninfo.defaults().merging(settings) { _, given in given }
        try Self.checkForMisplacedPassword(effective)
        hostCount = max(Conninfo.list(effective["host"]).count, Conninfo.list(effective["hostaddr"]).count, 1)
        description = Self.describe(effective)
        hosts = Conninfo.list(effective["hostaddr"] ?? effective["host"])
        tlsMode = effective["sslmode"] ?? "prefer"
        wantedSession = effective["target_session_attrs"] ?? "any"
        let seconds = effective["connect_timeout"].flatMap { Int64($0) } ?? 0
        connectTimeout = .seconds(seconds > 0 ? min(seconds, Self.connectTimeoutSecondsMax) : hostCount == 1 ? 5 : 2)
        settings.merge(Self.defaults) { given, _ in given }
        settings["fallback_application_name"] = applicationName
        settings["client_encoding"] = "UTF8"
        self.settings = settings
    }

    private static let connectTimeoutSecondsMax: Int64 = 3600

    /// Times in seconds, but for `tcp_user_timeout`, which is in milliseconds.
    private static let defaults = [
        "keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    ]

    /// What libpq is given for one attempt.
    var parameters: [String: String] {
        var parameters = settings
        parameters["connect_timeout"] = String(secondsForEachHost)
        if !sessionSettings.isEmpty {
            let given = sessionSettings.sorted { $0.key < $1.key }.map { name, value in
                "-c \(name)=" + value.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
            }
            // Behind what the connection string or PGOPTIONS says, so that ours counts.
            let own = settings["options"] ?? Conninfo.defaults()["options"]
            parameters["options"] = ([own].compactMap(\.self) + given).joined(separator: " ")
        }
        return parameters
    }

    /// The same for a program that has libpq in it, as its PG* variables: arguments are shown to every user of the machine.
    /// What has no variable, such as the keepalives, is left out.
    public var environment: [String: String] {
        let variables = Conninfo.variables()
        return parameters.reduce(into: [:]) { environment, setting in
            if let variable = variables[setting.key] { environment[variable] = setting.value }
        }
    }

    /// How long an attempt over all hosts may take.
    public var connectLimit: Duration {
        hostCount == 1 ? connectTimeout : .seconds(secondsForEachHost * Int64(hostCount))
    }

    private var secondsForEachHost: Int64 {
        let (seconds, attoseconds) = connectTimeout.components
        return min(max(seconds + (attoseconds > 0 ? 1 : 0), 2), Self.connectTimeoutSecondsMax)
    }

    /// An `@` or a `/` in the password of a URI that was not percent-encoded makes libpq take a part of the password for
    /// a host, a port or a database: parts that are shown in messages.
    private static func checkForMisplacedPassword(_ settings: [String: String]) throws(PostgresError) {
        let portsAreNumbers = Conninfo.list(settings["port"]).allSatisfy { $0.isEmpty || UInt16($0) != nil }
        // A host that begins with an @ is an abstract Unix socket.
        let hostsAreClean = Conninfo.list(settings["host"]).allSatisfy { !$0.dropFirst().contains("@") }
        let database = settings["dbname"] ?? ""
        guard portsAreNumbers, hostsAreClean, !["@", "=", "://"].contains(where: database.contains) else {
            throw PostgresError(
                .invalidOptions,
                "the connection string has a port that is no number, or a host or database with a sign that does not belong "
                    + "there; in a URI, percent-encode the password"
            )
        }
    }

    private static func describe(_ settings: [String: String]) -> String {
        let hosts = Conninfo.list(settings["host"] ?? settings["hostaddr"])
        let ports = Conninfo.list(settings["port"])
        let addresses = (hosts.isEmpty ? [""] : hosts).enumerated().map { index, host in
            let port = ports.count > 1 && index < ports.count ? ports[index] : ports.first ?? ""
            return (host.isEmpty ? "local socket" : host) + ":" + (port.isEmpty ? "5432" : port)
        }
        let user = settings["user"] ?? "?"
        return "\(addresses.joined(separator: ","))/\(settings["dbname"] ?? user) as \(user)"
    }
}

extension ConnectionOptions: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The same as `description`.
    public var debugDescription: String { description }
    /// Without the password, which a plain mirror would show.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension ConnectionOptions {
    /// libpq's words about a failed attempt, without what could be a credential.
    func scrub(_ words: String) -> String {
        var words = words
        for keyword in ["password", "sslpassword"] {
            if let secret = settings[keyword], secret.utf8.count >= 4 { words = words.replacing(secret, with: "***") }
        }
        words = words.replacing(#/(?i)(password\s*=\s*)('(\\.|[^'])*'|[^\s&]+)/#) { "\($0.output.1)***" }
        return words.replacing(#/(?i)(postgres(ql)?://)[^\s\/]*@/#) { "\($0.output.1)***@" }
    }
}

/// libpq's parsing of connection strings.
private enum Conninfo {
    static func parse(_ connectionString: String) throws(PostgresError) -> [String: String] {
        let malformed = PostgresError(
            .invalidOptions,
            "the connection string is malformed; a good one looks like postgresql://user@host:5432/database"
        )
        guard !connectionString.utf8.contains(0) else { throw malformed }
        guard let options = PQconninfoParse(connectionString, nil) else { throw malformed }
        defer { PQconninfoFree(options) }
        return settings(of: options)
    }

    /// What the environment and the service file say, and libpq's own defaults.
    static func defaults() -> [String: String] {
        guard let options = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(options) }
        return settings(of: options)
    }

    /// The environment's name for each setting that has one.
    static func variables() -> [String: String] {
        guard let options = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(options) }
        var variables: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let variable = option.pointee.envvar { variables[String(cString: keyword)] = String(cString: variable) }
            option += 1
        }
        return variables
    }

    static func list(_ value: String?) -> [String] {
        guard let value, !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func settings(of options: UnsafeMutablePointer<PQconninfoOption>) -> [String: String] {
        var settings: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val, value.pointee != 0 {
                settings[String(cString: keyword)] = String(cString: value)
            }
            option += 1
        }
        return settings
    }
}
