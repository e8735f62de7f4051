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
    /// Holds everything of it, its data in `data`.
    public let directory: String
    private let settings: [String]
    private var volume: SmallVolume?

    /// Creates a cluster in a temporary folder and starts it. `settings`: such as "fsync=off". `volume`: what its data is on; nil
    /// for the folder's own.
    public static func start(
        settings: [String] = ["fsync=off"],
        volume: SmallVolume? = nil
    ) async throws -> PrivateServer {
        let directory = try makeFolder()
        try await volume?.mount(at: directory + "/data")
        let url = try await ClusterScript.run(startArguments(directory, settings))
        return PrivateServer(url: url, directory: directory, settings: settings, volume: volume)
    }

    /// A server for the time of `body`, removed whatever happens.
    public static func with(
        settings: [String] = ["fsync=off"],
        volume: SmallVolume? = nil,
        _ body: (PrivateServer) async throws -> Void
    ) async throws {
        let server = try await start(settings: settings, volume: volume)
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

    /// Makes a streaming standby of this server and starts it, for the time of `body`. Whoever names "standby" in
    /// `synchronous_standby_names` waits for it.
    public func withStandby(_ body: (PrivateServer) async throws -> Void) async throws {
        let copy = try Self.makeFolder()
        let outcome: Result<Void, any Error>
        do {
            try await ClusterScript.run("copy", directory, copy)
            let url = try await ClusterScript.run(Self.startArguments(copy, settings))
            outcome = .success(try await body(PrivateServer(url: url, directory: copy, settings: settings)))
        } catch {
            outcome = .failure(error)
        }
        try await Task { _ = try await ClusterScript.run("remove", copy) }.value
        try outcome.get()
    }

    /// Makes a standby a primary; returns when it is one.
    public func promote() async throws { try await ClusterScript.run("promote", directory) }

    /// From now on none of its files may be written beyond so many bytes.
    public func limitFiles(to bytes: Int) async throws { try await ClusterScript.run("limit", directory, "\(bytes)") }

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
        if let volume {
            try await stop(.immediate)
            try await volume.unmount(from: directory + "/data")
        }
        try await ClusterScript.run("remove", directory)
    }

    private static func makeFolder() throws -> String {
        var path = Array("/tmp/embark-server.XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw SupportError("no temporary folder can be made") }
        let directory = path.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        chmod(directory, 0o755)
        return directory
    }

    private static func startArguments(_ directory: String, _ settings: [String]) -> [String] {
        ["start", directory] + settings.flatMap { ["-c", $0] }
    }
}
