/// `embark signup token`: opens a sealed business token.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct SignupTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Open a signup's sealed business token and print it.",
        discussion: """
            Prints the token and a line end, and nothing but it: give it to a program, not
            to a screen. Needs the role embark_token_reader, and the key ring that sealed
            it in EMBARK_SEALING_KEYS or the file that EMBARK_SEALING_KEYS_FILE names.
            Other programs do the same with embark.credential(signup_id) and any JOSE
            library.

            EXAMPLES
              embark signup token 4711 | your-program
              EMBARK_SEALING_KEYS_FILE=keys.json embark signup token 4711
            """
    )

    @Argument(help: ArgumentHelp("The signup's id.", valueName: "signup")) var id: Int64

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let keys = try SealingSettings(sources: try global.sources()).keys
        guard let sealed = try await global.withConnection({ try await SignupStore.sealedToken(of: id, on: $0) }) else {
            throw CommandFailure(
                .noSuchThing,
                "signup \(id) has no token: there is no such signup, or its code has not been exchanged."
                    + " See: embark why \(id)"
            )
        }
        do throws(SealingError) {
            let token = try keys.open(sealed, signupID: id, purpose: .token)
            StandardStreams.out(token.revealed + "\n")
        } catch {
            throw CommandFailure(.failed, "the token of signup \(id) cannot be opened: \(error)")
        }
    }
}
