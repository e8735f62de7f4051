/// What a worker has to be told: every mistake is named at once, and no value is shown.
import Foundation
import Onboarding
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct WorkerSettingsTests {
    static func complete(_ changes: [String: String?] = [:]) -> [String: String] {
        var environment: [String: String] = [
            "EMBARK_DATABASE_URL": "postgresql://worker@db/embark", "EMBARK_APP_SECRET": "0123456789abcdef",
            "EMBARK_SYSTEM_TOKEN": "EAAsystem",
            "EMBARK_SEALING_KEYS": SampleKeys.jwkSet([("a", SampleKeys.bytes("a"))]),
        ]
        for (name, value) in changes { environment[name] = value }
        return environment
    }

    private func settings(_ environment: [String: String], flags: [String: String] = [:]) throws -> WorkerSettings {
        try WorkerSettings(sources: try SettingSources(flags: flags, environment: environment))
    }

    private func problems(_ environment: [String: String]) -> [SettingsError] {
        do {
            _ = try settings(environment)
            return []
        } catch {
            return (error as? SettingsErrors)?.errors ?? []
        }
    }

    @Test func `With what is required alone, the rest has its default`() throws {
        let settings = try settings(Self.complete(["EMBARK_SYSTEM_TOKEN": String?.none]))
        #expect(settings.graph.baseURL == "https://graph.facebook.com")
        #expect(settings.graph.version == "v25.0")
        #expect(settings.graph.sendsAppSecretProof)
        #expect(settings.systemToken == nil)
        #expect(settings.concurrency == 64)
        #expect(settings.drainSeconds == 30)
        #expect(settings.listen.host == "127.0.0.1")
        #expect(settings.listen.port == 9464)
        #expect(settings.listen.isDefault)
        #expect(settings.directDatabaseURL.revealed == "")
    }

    @Test func `What is set is what is used`() throws {
        let settings = try settings(
            Self.complete([
                "EMBARK_GRAPH_URL": "http://127.0.0.1:9000", "EMBARK_GRAPH_VERSION": "v26.0",
                "EMBARK_APPSECRET_PROOF": "false", "EMBARK_CONCURRENCY": "10000", "EMBARK_DRAIN_SECONDS": "0",
                "EMBARK_LISTEN": "0.0.0.0:0", "EMBARK_DIRECT_DATABASE_URL": "postgresql://direct/embark",
            ]),
            flags: ["EMBARK_CONCURRENCY": "1"]
        )
        #expect(settings.graph.baseURL == "http://127.0.0.1:9000")
        #expect(settings.graph.version == "v26.0")
        #expect(!settings.graph.sendsAppSecretProof)
        #expect(settings.systemToken == Secret("EAAsystem"))
        #expect(settings.appSecret == Secret("0123456789abcdef"))
        #expect(settings.keys.keyIDs == ["a"])
        #expect(settings.concurrency == 1)
        #expect(settings.drainSeconds == 0)
        #expect(settings.listen.host == "0.0.0.0")
        #expect(settings.listen.port == 0)
        #expect(!settings.listen.isDefault)
        #expect(settings.directDatabaseURL.revealed == "postgresql://direct/embark")
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        let name: String
        let values: [String]
        var testDescription: String { name }
    }

    static let wrong = [
        Wrong(name: "EMBARK_DATABASE_URL", values: ["canary", "postgresql://u:canary@h:port/"]),
        Wrong(name: "EMBARK_DIRECT_DATABASE_URL", values: ["canary", "postgresql://u:canary@h:port/"]),
        Wrong(
            name: "EMBARK_GRAPH_URL",
            values: [
                "", "canary", "ftp://graph.facebook.com", "http://graph.facebook.com", "http://10.0.0.1:80",
                "http://127.0.0.1.example.com", "http://localhost.example.com", "http://127.0.0.1@example.com",
                "https://user:canary@graph.facebook.com", "https://graph.facebook.com/",
                "https://graph.facebook.com?canary",
                "https://graph.facebook.com#x", "https://", "https://h:", "http://[::2]", "http://0.0.0.0:80",
                "http://h\n",
                "https://graph.facebook.com\n", " https://graph.facebook.com", "https://127.0.0.1:65536",
                "http://127.0.0.1:99999", "https://127.0.0.1:0",
            ]
        ),
        Wrong(name: "EMBARK_GRAPH_VERSION", values: ["", "25.0", "v25", "v25.0/canary", "v25.0\n", "V25.0", "v٢٥.٠"]),
        Wrong(name: "EMBARK_APPSECRET_PROOF", values: ["", "True", "1", "yes", "canary"]),
        Wrong(name: "EMBARK_APP_SECRET", values: ["", "canary\n", "can ary", "canäry"]),
        Wrong(name: "EMBARK_SYSTEM_TOKEN", values: ["EAAcanary\n", "EAA canary", "EAA\r\ncanary", "EAAcanäry"]),
        Wrong(name: "EMBARK_SEALING_KEYS", values: ["", "canary", "{\"keys\":[]}", #"{"keys":[{"kty":"canary"}]}"#]),
        Wrong(
            name: "EMBARK_CONCURRENCY",
            values: ["", "0", "-1", "10001", "1.5", "canary", " 1", "99999999999999999999", "٣"]
        ),
        Wrong(name: "EMBARK_DRAIN_SECONDS", values: ["", "-1", "3601", "canary", "30s"]),
        Wrong(
            name: "EMBARK_LISTEN",
            values: [
                "", "canary", "9464", ":9464", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "h::9464", "h:9464:",
            ]
        ),
    ]

    @Test(arguments: wrong) func `A malformed setting is refused by its name, alone and without its value`(wrong: Wrong)
    {
        for value in wrong.values {
            let found = problems(Self.complete([wrong.name: value]))
            #expect(found.map(\.name) == [wrong.name], "\(value.debugDescription)")
            for error in found {
                #expect(!error.description.contains("canary"), "\(value.debugDescription)")
                #expect(error.description.hasPrefix(wrong.name))
            }
        }
    }

    @Test(arguments: [
        "https://graph.facebook.com", "https://graph.test:8443", "http://127.0.0.1:1", "http://127.8.9.10:65535",
        "http://localhost", "http://[::1]:80", "http://localhost:9000",
    ])
    func `An address is https, or loopback`(url: String) throws {
        #expect(try settings(Self.complete(["EMBARK_GRAPH_URL": url])).graph.baseURL == url)
    }

    @Test func `Everything that is missing or malformed is named at once, each once`() {
        var environment: [String: String] = [:]
        let missing = Set(problems(environment).map(\.name))
        #expect(missing == ["EMBARK_APP_SECRET", "EMBARK_SEALING_KEYS"])
        for wrong in Self.wrong { environment[wrong.name] = wrong.values.first { !$0.isEmpty } }
        let names = problems(environment).map(\.name)
        #expect(names.sorted() == Self.wrong.map(\.name).sorted())
    }

    @Test func `Secrets can come from named files and from a credentials directory`() throws {
        let folder = NSTemporaryDirectory() + "embark-worker-settings-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, value) in Self.complete() {
            try Data((value + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
        }
        let files = Dictionary(uniqueKeysWithValues: Self.complete().keys.map { ($0 + "_FILE", folder + "/" + $0) })
        for environment in [files, ["CREDENTIALS_DIRECTORY": folder]] {
            let settings = try settings(environment)
            #expect(settings.appSecret == Secret("0123456789abcdef"))
            #expect(settings.systemToken == Secret("EAAsystem"))
            #expect(settings.keys.keyIDs == ["a"])
            #expect(settings.database.databaseURL.revealed == "postgresql://worker@db/embark")
        }
    }

    @Test func `The settings as text show no secret`() throws {
        var dumped = ""
        let settings = try settings(Self.complete(["EMBARK_APP_SECRET": "canary", "EMBARK_SYSTEM_TOKEN": "canary"]))
        dump(settings, to: &dumped)
        for text in ["\(settings)", String(reflecting: settings), dumped] {
            #expect(!text.contains("canary"))
            #expect(!text.contains(SampleKeys.text("a")))
        }
    }

    @Test func `The command ends with 78 and a line for each mistake`() async throws {
        let result = try await Command.run(
            ["worker", "--concurrency", "0"],
            database: "postgresql://u:canary@h:port/",
            environment: [
                "EMBARK_GRAPH_URL": "http://canary", "EMBARK_GRAPH_VERSION": "canary",
                "EMBARK_APPSECRET_PROOF": "canary",
                "EMBARK_DRAIN_SECONDS": "canary", "EMBARK_LISTEN": "canary", "EMBARK_SEALING_KEYS": "canary",
                "EMBARK_LOG_LEVEL": "canary", "EMBARK_LOG_FORMAT": "canary",
            ]
        )
        #expect(result.code == 78)
        #expect(result.out == "")
        #expect(!result.err.contains("canary"))
        for name in [
            "DATABASE_URL", "GRAPH_URL", "GRAPH_VERSION", "APPSECRET_PROOF", "DRAIN_SECONDS", "LISTEN", "SEALING_KEYS",
            "APP_SECRET", "CONCURRENCY", "LOG_LEVEL", "LOG_FORMAT",
        ] {
            #expect(result.err.contains("EMBARK_" + name + " "), "EMBARK_\(name)")
        }
    }
}
