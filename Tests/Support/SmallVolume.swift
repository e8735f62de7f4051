/// A small file system of a test's own, which it can fill.
import Foundation
import Subprocess

#if canImport(Glibc)
    import Glibc
#endif

/// A tmpfs of so many megabytes. To mount one takes root, and in a container often more: see `canBeMounted`.
public struct SmallVolume: Sendable {
    private let megabytes: Int
    private static let ballast = "ballast"

    public init(megabytes: Int) { self.megabytes = megabytes }

    /// Tried once.
    public static var canBeMounted: Bool { get async { await probe.value } }

    private static let probe = Task {
        let place = FileManager.default.temporaryDirectory.path + "/embark-volume-\(getpid())"
        do {
            try await SmallVolume(megabytes: 1).mount(at: place)
            try await SmallVolume(megabytes: 1).unmount(from: place)
            try FileManager.default.removeItem(atPath: place)
            return true
        } catch {
            return false
        }
    }

    func mount(at folder: String) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await Self.run("mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=700", "embark", folder)
    }

    func unmount(from folder: String) async throws { try await Self.run("umount", folder) }

    /// Leaves no byte free in the file system of this folder.
    public static func fill(_ folder: String) throws {
        let file = open(folder + "/" + ballast, O_CREAT | O_WRONLY, 0o600)
        guard file >= 0 else { throw SupportError("no ballast can be put into \(folder)") }
        defer { close(file) }
        for size in [1 << 20, 4096] {
            let bytes = [UInt8](repeating: 0, count: size)
            while write(file, bytes, size) == size {}
        }
        guard errno == ENOSPC else { throw SupportError("\(folder) is not full: \(errno)") }
    }

    /// Takes away what `fill` put there.
    public static func makeRoom(_ folder: String) throws {
        guard unlink(folder + "/" + ballast) == 0 else { throw SupportError("\(folder) has no ballast") }
    }

    private static func run(_ program: String, _ arguments: String...) async throws {
        let result = try await Subprocess.run(
            .name(program),
            arguments: Arguments(arguments),
            output: .discarded,
            error: .string(limit: 4096)
        )
        guard result.terminationStatus.isSuccess else {
            throw SupportError("\(program) failed: \(result.standardError)")
        }
    }
}
