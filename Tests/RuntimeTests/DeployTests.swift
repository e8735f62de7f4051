/// deploy/ says what the program knows: each setting, each secret, and nothing that does not exist.
import Foundation
import Testing

@testable import OnboardingRuntime

@Suite struct DeployTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    @Test func `The environment example has every setting, with its default, and each secret as a file`() throws {
        let lines = try text("deploy/embark.env.example").split(separator: "\n")
            .filter { $0.hasPrefix("#EMBARK_") }.map { $0.dropFirst().split(separator: "=", maxSplits: 1) }
        let named = Dictionary(lines.map { (String($0[0]), String($0[1])) }) { first, _ in first }
        #expect(named.count == lines.count)
        let settings = Set(SettingSources.defaults.keys).union(SettingSources.secrets)
        let expected = settings.map { SettingSources.secrets.contains($0) ? $0 + "_FILE" : $0 }
        #expect(Set(named.keys) == Set(expected))
        for (name, value) in SettingSources.defaults where !value.isEmpty {
            #expect(named[name] == value)
        }
        // On a terminal it is text; a service has none.
        #expect(named["EMBARK_LOG_FORMAT"] == "json")
    }

    @Test func `Each test that the threat model names is there`() throws {
        let model = try text("deploy/threat-model.md")
        let named = Set(model.matches(of: /`([A-Za-z]+Tests|[0-9]{2}_[a-z_]+\.sql)`/).map { String($0.output.1) })
        #expect(named.count > 20)
        let files = FileManager.default.enumerator(atPath: Self.root.appending(path: "Tests").path)
        var suites: Set<String> = []
        while let file = files?.nextObject() as? String {
            guard file.hasSuffix(".swift") else { continue }
            suites.formUnion(
                try text("Tests/" + file).matches(of: /struct ([A-Za-z]+Tests)\b/).map { String($0.output.1) }
            )
        }
        for name in named.sorted() {
            let file = Self.root.appending(path: "sql/tests/" + name).path
            #expect(suites.contains(name) || FileManager.default.fileExists(atPath: file), "\(name)")
        }
    }

    @Test func `The unit says under which names it hands the secrets over`() throws {
        let unit = try text("deploy/systemd/embark-worker@.service")
        #expect(unit.contains("\nLoadCredential=EMBARK:/etc/embark/credentials\n"))
        let comment = unit.prefix(while: { $0 != "[" }).split(whereSeparator: { !($0.isLetter || $0 == "_") })
        for secret in SettingSources.secrets {
            #expect(comment.contains { $0 == secret.dropFirst("EMBARK_".count) }, "\(secret)")
        }
    }
}
