/// Standard output and standard error, either of which may be a full disk.
import Foundation

enum StandardStreams {
    /// What a command was asked for. Without it the command has failed, whatever it did.
    static func out(_ text: String) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            err(
                """
                embark: standard output could not be written: \(reason(error))
                What the command was to do may have been done: look before you run it again.

                """
            )
            exit(CommandFailure.Code.failed.rawValue)
        }
    }

    static func err(_ text: String) {
        do {
            try FileHandle.standardError.write(contentsOf: Data(text.utf8))
        } catch {
            // There is nobody left to tell: the exit code says it.
        }
    }

    private static func reason(_ error: any Error) -> String {
        let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
        return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : "\(error)"
    }
}
