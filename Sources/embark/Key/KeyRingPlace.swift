/// Where a key ring comes from and where a changed one goes: back into its file or, when it came from standard input or the
/// environment, to standard output. Never into an argument, which every user of the machine can read.
import Foundation
import Onboarding
import OnboardingRuntime

struct KeyRingPlace {
    /// nil: not a file, so what comes of it goes to standard output.
    let path: String?
    let set: Secret
    let ring: KeyRing

    /// - Parameter option: a path, or `-` for standard input; nil for what EMBARK_SEALING_KEYS and the like say.
    init(option: String?) throws {
        var environment = ProcessInfo.processInfo.environment
        var flags: [String: String] = [:]
        switch option {
        case "-"?:
            path = nil
            let data = try FileHandle.standardInput.read(upToCount: Self.bytesMax) ?? Data()
            flags["EMBARK_SEALING_KEYS"] = String(decoding: data, as: UTF8.self)
        case let option?:
            path = option
            environment["EMBARK_SEALING_KEYS"] = nil
            environment["EMBARK_SEALING_KEYS_FILE"] = option
        case nil:
            path = environment["EMBARK_SEALING_KEYS"] == nil ? environment["EMBARK_SEALING_KEYS_FILE"] : nil
        }
        let settings = try SealingSettings(sources: SettingSources(flags: flags, environment: environment))
        set = settings.text
        ring = settings.keys
    }

    private static let bytesMax = 64 * 1024

    /// Stores the changed set in place of the one that was read. A reader finds the old one or the new one, whole; the file is
    /// readable by nobody who could not read the old one, and by others than its owner and group in no case.
    ///
    /// - Returns: what to tell about a right that the old file gave and the new one does not; nil when it gave none.
    func store(_ changed: Secret) throws -> String? {
        guard let path else {
            StandardStreams.out(changed.revealed + "\n")
            return nil
        }
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath()
        let name = target.lastPathComponent
        let temporary = target.deletingLastPathComponent().appending(path: ".\(name).new").path
        // It is the lock as well: two rotations at once would lose a key.
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            if errno == EEXIST {
                throw CommandFailure(
                    .refused,
                    "another rotation is changing \(path), or one was interrupted. When none runs, delete \(temporary)"
                )
            }
            throw Self.failure("\(temporary) cannot be written", path)
        }
        var isStored = false
        defer {
            close(file)
            if !isStored { unlink(temporary) }
        }
        var old = stat()
        guard stat(target.path, &old) == 0 else { throw Self.failure("\(path) cannot be looked at", path) }
        let contents = FileManager.default.contents(atPath: target.path).map { String(decoding: $0, as: UTF8.self) }
        guard contents?.trimmingCharacters(in: .newlines) == set.revealed.trimmingCharacters(in: .newlines) else {
            throw CommandFailure(.refused, "\(path) was changed meanwhile: run the same command again")
        }
        guard fchown(file, old.st_uid, old.st_gid) == 0 else {
            throw Self.failure("the new file cannot be given to the old one's owner", path)
        }
        try Data((changed.revealed + "\n").utf8).withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard written > 0 else { throw Self.failure("\(temporary) cannot be written", path) }
                rest = rest.dropFirst(written)
            }
        }
        let mode = old.st_mode & 0o640
        guard fchmod(file, mode) == 0, fsync(file) == 0, rename(temporary, target.path) == 0 else {
            throw Self.failure("\(path) cannot be replaced", path)
        }
        isStored = true
        let folder = open(target.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            defer { close(folder) }
            // A crash of the machine may bring the old ring back, which is whole and opens everything that it did.
            _ = fsync(folder)
        }
        return Self.warning(old: old.st_mode & 0o777, new: mode, path)
    }

    /// A worker that read the ring as one of the others cannot start any more: better that somebody hears of it now.
    private static func warning(old: mode_t, new: mode_t, _ path: String) -> String? {
        guard old & 0o007 != 0 else { return nil }
        return
            "\(path) could be used by everyone on this machine (mode \(String(old, radix: 8))) and now is for its owner and its"
            + " group alone (\(String(new, radix: 8))): a worker that runs as neither cannot read it any more."
    }

    private static func failure(_ what: String, _ path: String) -> CommandFailure {
        CommandFailure(
            .failed,
            "\(what): \(String(cString: strerror(errno))). The ring is as it was. To write it elsewhere: --keys - <\(path) >FILE"
        )
    }
}
