/// A signup's card as one JSON object: the facts of the text, uncut.
import Foundation
import OnboardingRuntime
import Postgres

enum CardJSON {
    static func text(_ facts: SignupCardFacts, _ card: SignupCard, matches: [SignupMatch]) throws -> String {
        try Output.object([
            "id": string("\(facts.id)"),
            "external_id": string(facts.externalID),
            "found_by": string(matches.first?.foundBy.rawValue),
            "waba_id": string(facts.wabaID),
            "phone_number_id": string(facts.phoneNumberID),
            "state": string(facts.state),
            "step": string(facts.step),
            "waiting_on": string(facts.waitingOn),
            "generation": "\(facts.generation)",
            "age_seconds": "\(facts.age.components.seconds)",
            "error_code": string(card.said?.code),
            "error_message": string(card.said?.message),
            "http_status": number(card.said?.httpStatus),
            "fbtrace_id": string(card.said?.fbtraceID),
            "means": string(card.means),
            "move": string(card.move),
            "done": list(card.done),
            "skipped": list(card.skipped),
            "allocation_config_id": string(facts.allocationConfigID),
            "warnings": list(facts.warnings),
            "job_state": string(facts.jobState),
            "attempts": number(facts.jobAttempts),
            "due_in_seconds": number(facts.dueIn?.components.seconds),
            "paused": facts.pause.map(pause) ?? "null",
            "replay": string(card.replay),
            "replay_from": string(card.replayFrom),
            "register_calls_72h": "\(facts.registerCalls)",
            "register_again_at": string(facts.registerFree?.at.description),
            "upstream": string(card.upstreamSQL),
            "next": list(card.next.commands),
            "next_is": string(card.next.isChoice ? "one_of" : "all"),
            "others": "[" + matches.dropFirst().map(other).joined(separator: ",") + "]",
            "others_are_all": "\(matches.count < SignupStore.matchesMax)",
        ])
    }

    private static func pause(_ pause: SignupCardFacts.Pause) throws -> String {
        try Output.object([
            "scope": string(pause.scope),
            "reason": string(pause.reason),
            "until": string(pause.end?.at.description),
            "seconds_left": number(pause.end?.left.components.seconds),
            "is_credentials": "\(pause.isCredentials)",
        ])
    }

    private static func other(_ match: SignupMatch) throws -> String {
        try Output.object([
            "id": string("\(match.id)"),
            "external_id": string(match.externalID),
            "found_by": string(match.foundBy.rawValue),
            "state": string(match.state),
            "step": string(match.step),
            "error_code": string(match.errorCode),
            "age_seconds": "\(match.age.components.seconds)",
        ])
    }

    private static func string(_ value: String?) throws -> String { try value.map { try Output.quoted($0) } ?? "null" }

    private static func number(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "null" }

    private static func list(_ values: [String]) throws -> String {
        "[" + (try values.map { try Output.quoted($0) }.joined(separator: ",")) + "]"
    }
}
