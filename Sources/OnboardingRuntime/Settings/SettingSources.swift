/// Where settings come from, in order: flags, the environment, files that the environment names, defaults.
import Configuration
import Foundation

/// Reads each setting by the name of its environment variable.
///
/// A secret need not stand in the environment: `NAME_FILE` names a file that holds it, and a file `NAME` in the directory
/// that systemd's `CREDENTIALS_DIRECTORY` names is found by itself. One line end after the value is dropped.
public struct SettingSources: Sendable {
    /// Settings that hold a secret, or may: all that can also be read from a file.
    static let secrets = [
        "EMBARK_DATABASE_URL", "EMBARK_DIRECT_DATABASE_URL", "EMBARK_APP_SECRET", "EMBARK_SYSTEM_TOKEN",
        "EMBARK_SEALING_KEYS",
    ]
    /// A default is the last source and not a fallback of the read: that would also hide a malformed value.
    static let defaults = [
        "EMBARK_DATABASE_URL": "",
        "EMBARK_DIRECT_DATABASE_URL": "",
        "EMBARK_GRAPH_URL": "https://graph.facebook.com",
        "EMBARK_GRAPH_VERSION": "v25.0",
        "EMBARK_SYSTEM_TOKEN": "",
        "EMBARK_CONCURRENCY": "64",
        "EMBARK_DRAIN_SECONDS": "30",
        "EMBARK_RETENTION_DAYS": "90",
        "EMBARK_LISTEN": "127.0.0.1:9464",
        "EMBARK_APPSECRET_PROOF": "true",
        "EMBARK_LOG_LEVEL": "info",
        "EMBARK_LOG_FORMAT": "",
    ]
    /// Every variable that is read, in the order of the alphabet.
    package static var names: [String] { Set(defaults.keys).union(secrets).sorted() }

    /// More than any secret needs; keeps a wrong path to a large file from being read whole.
    static let fileBytesMax = 64 * 1024

    /// `SSL_CERT_FILE`: not a setting of Embark's, but one of every program on the machine.
    let certificateFile: String?
    private let reader: ConfigReader

    /// - Parameters:
    ///   - flags: values given on the command line, by variable name.
    ///   - environment: the variables of the process.
    /// - Throws: `SettingsError` when a file that the environment names cannot be used.
    public init(
        flags: [String: String] = [:],
        environment: [String: String]
    ) throws(SettingsError) {
        let files = try Self.readFiles(environment: environment)
        certificateFile = environment[TrustedAuthorities.variable]
        reader = ConfigReader(providers: [
            Self.provider("flags", flags),
            EnvironmentVariablesProvider(environmentVariables: environment, secretsSpecifier: .all),
            Self.provider("files", files),
            Self.provider("defaults", Self.defaults),
        ])
    }

    /// The value of a setting, from the first source that has it.
    func string(_ name: String) throws(SettingsError) -> String {
        do {
            return try reader.requiredString(forKey: Self.key(name), isSecret: Self.secrets.contains(name))
        } catch {
            throw .missing(name: name)
        }
    }

    private static func readFiles(environment: [String: String]) throws(SettingsError) -> [String: String] {
        var values: [String: String] = [:]
        for name in secrets {
            if let path = environment[name + "_FILE"] {
                values[name] = try read(path, for: name, namedBy: name + "_FILE")
            } else if let directory = environment["CREDENTIALS_DIRECTORY"] {
                let path = directory + "/" + name
                if FileManager.default.fileExists(atPath: path) {
                    values[name] = try read(path, for: name, namedBy: "CREDENTIALS_DIRECTORY")
                }
            }
        }
        return values
    }

    private static func read(_ path: String, for name: String, namedBy source: String) throws(SettingsError) -> String {
        let data: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            data = try file.read(upToCount: fileBytesMax + 1) ?? Data()
        } catch {
            throw .unreadableFile(name: name, source: source, path: path, reason: "it cannot be opened and read")
        }
        guard data.count <= fileBytesMax else {
            throw .unreadableFile(name: name, source: source, path: path, reason: "it is larger than 64 KiB")
        }
        guard var text = String(data: data, encoding: .utf8) else {
            throw .unreadableFile(name: name, source: source, path: path, reason: "it is not UTF-8 text")
        }
        // "\r\n" is one Character.
        if text.last?.isNewline == true { text.removeLast() }
        return text
    }

    private static func provider(_ name: String, _ values: [String: String]) -> InMemoryProvider {
        InMemoryProvider(
            name: name,
            values: Dictionary(
                uniqueKeysWithValues: values.map { name, value in
                    (AbsoluteConfigKey(key(name)), ConfigValue(.string(value), isSecret: secrets.contains(name)))
                }
            )
        )
    }

    /// `EMBARK_DATABASE_URL` is the key `embark.database.url`, which the environment's provider spells that way again.
    private static func key(_ name: String) -> ConfigKey {
        ConfigKey(name.lowercased().split(separator: "_").map(String.init))
    }
}

/// A setting that is missing or malformed, by name. Never its value.
public enum SettingsError: Error, Equatable, CustomStringConvertible {
    case missing(name: String)
    case malformed(name: String, rule: String)
    case unreadableFile(name: String, source: String, path: String, reason: String)

    /// The variable that it is about.
    public var name: String {
        switch self {
        case .missing(let name), .malformed(let name, _), .unreadableFile(let name, _, _, _): name
        }
    }

    public var description: String {
        switch self {
        case .missing(let name):
            "\(name) is not set: set it, or \(name)_FILE to a file that holds it"
        case .malformed(let name, let rule):
            "\(name) \(rule)"
        case .unreadableFile(let name, let source, let path, let reason):
            "\(name): the file \(path), named by \(source), cannot be used: \(reason)"
        }
    }
}
