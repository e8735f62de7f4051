/// Effects that happened twice, or never, in the ledger or in what is told of them; and what looks like one and is allowed.
import Foundation
import Invariants
import Testing

extension Plant {
    static let effects = [
        Plant("a code is exchanged twice", .effectsHappenOnce, "exchanges", of: Run.onlyWABA) {
            $0 + [try first($0, "\"effect\":\"exchange_code\"", waba(Run.onlyWABA))]
        },
        Plant("a code of nobody's is exchanged", .effectsHappenOnce, "exchanges", of: nil) {
            $0 + [line("effect", "exchange_code", #""effect": "exchange_code", "code": "x", "waba_id": "4242""#)]
        },
        Plant(
            "a completed signup has no token",
            .effectsHappenOnce,
            "tokens",
            of: Run.onlyWABA,
            sql: "UPDATE embark.secrets SET sealed_token = NULL WHERE signup_id = \(Run.onlyWABA)"
        ),
        Plant(
            "an override is removed again",
            .effectsHappenOnce,
            "subscriptions",
            of: Run.retried,
            sql: """
                UPDATE embark.signups SET override_callback_uri = 'https://hooks.example.com/2' WHERE id = \(Run.retried)
                """
        ),
        Plant("an override is another signup's", .effectsHappenOnce, "subscriptions", of: Run.onlyWABA) {
            $0 + [
                line(
                    "effect",
                    "subscribe_app",
                    #""effect": "subscribe_app", "waba_id": "\#(waba(Run.onlyWABA))", "override_callback_uri": "https://x""#
                ),
                try first($0, "\"effect\":\"subscribe_app\"", waba(Run.onlyWABA)),
            ]
        },
        Plant("a credit line is attached twice", .effectsHappenOnce, "credit", of: Run.onlyWABA) {
            $0 + [try first($0, "\"effect\":\"share_credit_line\"", waba(Run.onlyWABA))]
        },
        Plant("a business is given two allocations", .effectsHappenOnce, "credit", of: Run.onlyWABA) {
            let shared = line(
                "effect",
                "share_allocation",
                #""effect": "share_allocation", "business_id": "\#(Customer.businessID(Run.onlyWABA))""#
            )
            return $0 + [shared, shared]
        },
        Plant("a test message is sent twice", .effectsHappenOnce, "messages", of: Run.messageAndOverride) {
            $0 + [try first($0, "\"effect\":\"send_test_message\"")]
        },
        Plant("a test message is sent that nobody wanted", .effectsHappenOnce, "messages", of: Run.retried) {
            $0 + [
                line(
                    "effect",
                    "send_test_message",
                    #""effect": "send_test_message", "phone_number_id": "\#(phone(Run.retried))", "#
                        + #""message_id": "wamid.X", "callback_data": "embark:\#(Run.retried):1""#
                )
            ]
        },
        Plant("a step is done that never was", .effectsHappenOnce, "completed", of: Run.onlyWABA) {
            let line = try first($0, "\"effect\":\"assign_system_user\"", waba(Run.onlyWABA))
            return $0.filter { $0 != line }
        },
        Plant("a number is deregistered again", .effectsHappenOnce, "completed", of: Run.retried) {
            $0 + [
                line(
                    "effect",
                    "deregister_phone",
                    #""effect": "deregister_phone", "phone_number_id": "\#(phone(Run.retried))""#
                )
            ]
        },
    ]

    static let numbers = [
        Plant(
            "a number is called to register too often",
            .effectsHappenOnce,
            "register_quota",
            of: Run.onlyWABA,
            sql: call(phone(Run.onlyWABA), Run.onlyWABA, times: 5)
        ) { $0 + (1...5).map { _ in registers(phone(Run.onlyWABA), waba(Run.onlyWABA)) } },
        Plant(
            "a call to register is not counted",
            .effectsHappenOnce,
            "register_quota",
            of: Run.retried,
            sql: "DELETE FROM embark.register_calls WHERE signup_id = \(Run.retried)"
        ),
        Plant(
            "a number is called to register once more",
            .effectsHappenOnce,
            "register_connected",
            of: Run.retried,
            sql: call(phone(Run.retried), Run.retried)
        ) { $0 + [registers(phone(Run.retried), waba(Run.retried))] },
        Plant(
            "a number that was read as connected is called to register",
            .effectsHappenOnce,
            "register_connected",
            of: Run.onlyWABA,
            sql: call(phone(Run.onlyWABA), Run.onlyWABA)
        ) {
            $0 + [
                line(
                    "effect",
                    "register_phone",
                    #""effect": "register_phone", "phone_number_id": "\#(phone(Run.onlyWABA))""#
                ),
                line(
                    "request",
                    "read_phone",
                    #""caller": "business", "method": "GET", "path": "\#(phone(Run.onlyWABA))""#
                ),
                registers(phone(Run.onlyWABA), waba(Run.onlyWABA)),
            ]
        },
    ]
}
