/// Calls to what rests; and states that look like broken ones and are allowed.
import Foundation
import Invariants
import Testing

extension Plant {
    /// The honest run's answer of 80007 as another one, and a call `seconds` behind it. What the run itself called later, when an
    /// operator had let it go on, is left out.
    static func rest(
        _ name: String,
        of signup: Int?,
        answer: String,
        at answeredPath: String,
        endpoint: String,
        caller: String = "business",
        then request: String,
        endpoint requested: String,
        after seconds: Double = 100
    ) -> Plant {
        let code = answer.firstMatch(of: /"code":([0-9]+)/).map { "'\($0.1)'" } ?? "NULL"
        let sql = """
            UPDATE embark.audit SET at = at + interval '1 hour' WHERE action = 'resume';
            UPDATE embark.attempts SET error_code = \(code) WHERE signup_id = \(Run.throttled) AND verdict = 'throttle'
            """
        return Plant(name, .throttlesAreHeeded, "throttled", of: signup, sql: sql) { lines in
            let told = try first(lines, #""kind":"answer""#, "80007")
            let at = try #require(time(told))
            let account = #""account":"\#(waba(Run.throttled))","caller":"\#(caller)""#
            let honest = lines.filter {
                $0 != told && (!$0.contains(#""kind":"request""#) || time($0).map { $0 < at } == true)
            }
            return honest + [
                #"{"at":"\#(at)","kind":"answer","endpoint":"\#(endpoint)",\#(account),"status":400,\#(answer),"#
                    + #""path":"\#(answeredPath)"}"#,
                #"{"at":"\#(at + seconds)","kind":"request","endpoint":"\#(requested)",\#(account),"method":"POST","#
                    + #""path":"\#(request)"}"#,
            ]
        }
    }

    static func time(_ line: String) -> Double? { line.firstMatch(of: /"at":"([0-9.]+)"/).flatMap { Double($0.1) } }

    static var account: String { waba(Run.throttled) }
    static var number: String { phone(Run.throttled) }

    static let throttles = [
        rest(
            "an account that rests is called",
            of: Run.throttled,
            answer: #""code":80007"#,
            at: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            then: "\(account)/assigned_users",
            endpoint: "assign_system_user"
        ),
        rest(
            "an account is called before the time that a header names",
            of: Run.throttled,
            answer: #""regain_seconds":"120.0""#,
            at: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            then: number,
            endpoint: "read_phone"
        ),
        rest(
            "everything rests, and a code is exchanged",
            of: Run.throttled,
            answer: #""code":4"#,
            at: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            then: "oauth/access_token",
            endpoint: "exchange_code"
        ),
        rest(
            "a refused system token is tried again",
            of: Run.throttled,
            answer: #""code":190"#,
            at: "\(account)/assigned_users",
            endpoint: "assign_system_user",
            caller: "system",
            then: "3/system_user_access_tokens",
            endpoint: "recover_token"
        ),
        rest(
            "a refused app secret is tried again",
            of: Run.throttled,
            answer: #""code":1,"message":"Error validating client secret.""#,
            at: "oauth/access_token",
            endpoint: "exchange_code",
            caller: "nobody",
            then: number,
            endpoint: "read_phone"
        ),
        rest(
            "a credit line that rests is asked for",
            of: Run.throttled,
            answer: #""code":613"#,
            at: "1111111111/owning_credit_allocation_configs",
            endpoint: "list_allocations",
            caller: "system",
            then: "1111111111/whatsapp_credit_sharing_and_attach",
            endpoint: "share_credit_line",
            after: 3000
        ),
        rest(
            "a number that is blocked for days is called",
            of: Run.throttled,
            answer: #""code":133016"#,
            at: "\(number)/register",
            endpoint: "register_phone",
            then: "\(number)/messages",
            endpoint: "send_test_message",
            after: 250_000
        ),
    ]

    // MARK: What is allowed

    /// States that look like broken ones, and are not.
    static let harmless = [
        rest(
            "a call behind the time",
            of: nil,
            answer: #""code":80007,"regain_seconds":"60.0""#,
            at: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            then: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            after: 61
        ),
        rest(
            "a call about another account",
            of: nil,
            answer: #""code":80007"#,
            at: "\(account)/subscribed_apps",
            endpoint: "subscribe_app",
            then: "1111111111/owning_credit_allocation_configs",
            endpoint: "list_allocations"
        ),
        // Its worker died before it could tell anybody: the attempt that met it is of another code.
        Plant("an answer that nobody has heard", .throttlesAreHeeded, "throttled", of: nil) { lines in
            let told = try first(lines, #""kind":"answer""#, "80007")
            let at = try #require(time(told))
            return lines + [
                told.replacing(#""code":80007"#, with: #""code":80008"#),
                #"{"at":"\#(at + 100)","kind":"request","endpoint":"subscribe_app","account":"\#(account)","#
                    + #""caller":"business","method":"POST","path":"\#(account)/subscribed_apps"}"#,
            ]
        },
        Plant(
            "an operator's word that a share did not happen",
            .effectsHappenOnce,
            "credit",
            of: nil,
            sql: """
                INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
                VALUES ('x', 'resolve', \(Run.onlyWABA), '',
                        '{"failed_step": "share_credit_line", "effect_happened": false, "goes_on_at": "share_credit_line"}')
                """
        ) { $0 + [try first($0, "\"effect\":\"share_credit_line\"", waba(Run.onlyWABA))] },
        Plant(
            "a fifth call, by an operator's replay",
            .effectsHappenOnce,
            "register_quota",
            of: nil,
            sql: call(phone(Run.replayed), Run.replayed, times: 3)
        ) { lines in
            let made = lines.count {
                $0.contains(#""kind":"request""#) && $0.contains("\(phone(Run.replayed))/register")
            }
            return (0..<(5 - made)).map { _ in registers(phone(Run.replayed), waba(Run.replayed)) } + lines
        },
        Plant(
            "a number of which Graph says that it is not registered",
            .effectsHappenOnce,
            "register_connected",
            of: nil,
            sql: call(phone(Run.retried), Run.retried)
        ) {
            $0 + [
                line(
                    "answer",
                    "send_test_message",
                    #""code": 133010, "caller": "business", "path": "\#(phone(Run.retried))/messages""#
                ),
                registers(phone(Run.retried), waba(Run.retried)),
            ]
        },
    ]
}
