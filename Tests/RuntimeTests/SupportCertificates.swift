/// Certificate authorities and what they issue, made by openssl for the length of a test.
import Foundation
import Support
import Testing

struct TestAuthority: Sendable {
    /// A certificate and its key, as files.
    struct Issued: Sendable {
        let certificate: String
        let key: String
    }

    private let folder: String
    private let name: String

    /// The authority's own certificate.
    var certificate: String { "\(folder)/\(name).pem" }

    /// Two authorities that do not know each other, in a folder of their own.
    static func withTwo<Result: Sendable>(
        _ body: (TestAuthority, TestAuthority) async throws -> Result
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "embark-ca-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer {
            do {
                try FileManager.default.removeItem(at: folder)
            } catch {
                Issue.record("\(folder.path) stays behind: \(error)")
            }
        }
        let one = TestAuthority(folder: folder.path, name: "one")
        let other = TestAuthority(folder: folder.path, name: "other")
        for authority in [one, other] { _ = try await authority.makeRoot() }
        return try await body(one, other)
    }

    /// A self-signed certificate, which is its own authority.
    func selfSigned(for names: String) async throws -> Issued {
        let file = "\(folder)/self-signed"
        try await openssl(
            ["req", "-x509", "-days", "2", "-subj", "/CN=self", "-addext", "subjectAltName=\(names)"] + newKey(file)
                + ["-out", file + ".pem"]
        )
        return Issued(certificate: file + ".pem", key: file + ".key")
    }

    /// Issues a certificate.
    ///
    /// - Parameters:
    ///   - names: as OpenSSL writes them, such as "DNS:localhost,IP:127.0.0.1".
    ///   - commonName: whom a client's certificate is for.
    ///   - expired: whether its time ended in 2021.
    func issue(for names: String, commonName: String = "server", expired: Bool = false) async throws -> Issued {
        let file = "\(folder)/\(name)-\(UUID())"
        try await openssl(["req", "-new", "-subj", "/CN=\(commonName)"] + newKey(file) + ["-out", file + ".csr"])
        try "subjectAltName=\(names)\nbasicConstraints=critical,CA:FALSE\n"
            .write(toFile: file + ".ext", atomically: true, encoding: .utf8)
        let days = expired ? ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"] : ["-days", "2"]
        try await openssl(
            [
                "ca", "-batch", "-notext", "-config", "\(folder)/\(name).cnf", "-in", file + ".csr", "-out",
                file + ".pem",
            ]
                + ["-extfile", file + ".ext"] + days
        )
        return Issued(certificate: file + ".pem", key: file + ".key")
    }

    private func makeRoot() async throws {
        try await openssl(
            ["req", "-x509", "-days", "2", "-subj", "/CN=Test authority \(name)"] + newKey("\(folder)/\(name)")
                + ["-out", certificate]
        )
        let settings = """
            [ca]
            default_ca = this
            [this]
            new_certs_dir = \(folder)
            database = \(folder)/\(name).index
            rand_serial = yes
            certificate = \(certificate)
            private_key = \(folder)/\(name).key
            default_md = sha256
            unique_subject = no
            policy = any
            [any]
            commonName = supplied

            """
        try settings.write(toFile: "\(folder)/\(name).cnf", atomically: true, encoding: .utf8)
        try "".write(toFile: "\(folder)/\(name).index", atomically: true, encoding: .utf8)
    }

    private func newKey(_ file: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file + ".key"]
    }

    private func openssl(_ arguments: [String]) async throws {
        let result = try await Command.program("openssl", arguments)
        guard result.code == 0 else {
            throw SupportError("openssl \(arguments[0]) failed; scripts/install fetches it: \(result.err)")
        }
    }
}
