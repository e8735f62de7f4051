/// A PostgreSQL server of a test's own, for tests that stop or crash it.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

public struct PrivateServer: Sendable {
    /// How a server stops. `immediate` is a crash: the next start recovers from the log.
    public enum Stop: String, Sendable {
        case fast
        case immediate
    }

    /// The superuser's URL, the same over restarts.
    public let url: String
    /// On loopback.
    public var port: UInt16 {
        get throws {
            guard let port = url.firstMatch(of: #/:([0-9]+)\//#).flatMap({ UInt16($0.output.1) }) else {
                throw SupportError("a server's URL without a port")
            }
            return port
        }
    }
    private let directory: String
    private let settings: [String]

    /// Creates a cluster in a temporary folder and starts it. `settings`: such as "fsync=off".
    public static func start(settings: [String] = ["fsync=off"]) async throws -> PrivateServer {
        var path = Array("/tmp/embark-server.XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw SupportError("no temporary folder can be made") }
        let directory = path.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        chmod(directory, 0o755)
        let url = try await ClusterScript.run(startArguments(directory, settings))
        return PrivateServer(url: url, directory: directory, settings: settings)
    }

    /// A server for the time of `body`, removed whatever happens.
    public static func with(
        settings: [String] = ["fsync=off"],
        _ body: (PrivateServer) async throws -> Void
    ) async throws {
        let server = try await start(settings: settings)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(server))
        } catch {
            outcome = .failure(error)
        }
        // In a task of its own, because a cancelled test has to clean up as well.
        try await Task { try await server.remove() }.value
        try outcome.get()
    }

    /// Returns when the server has stopped.
    public func stop(_ stop: Stop = .fast) async throws {
        try await ClusterScript.run("stop", directory, stop.rawValue)
    }

    /// Returns when the server accepts connections.
    public func start() async throws {
        let url = try await ClusterScript.run(Self.startArguments(directory, settings))
        guard url == self.url else { throw SupportError("the server has started at another port") }
    }

    /// Stops the server and deletes its data.
    public func remove() async throws {
        try await ClusterScript.run("remove", directory)
    }

    private static func startArguments(_ directory: String, _ settings: [String]) -> [String] {
        ["start", directory] + settings.flatMap { ["-c", $0] }
    }
}
