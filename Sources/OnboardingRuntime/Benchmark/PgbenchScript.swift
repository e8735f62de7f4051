/// The engine's own statements as a script for pgbench: what the server can do with them when nobody thinks in between.
import Foundation
import Onboarding
import SQL

struct PgbenchScript {
    /// Jobs in one statement.
    let batch: Int
    let steps: [Step]

    /// A claim, and a settle for each step, each of which leases the next one; the last ends the signups, and now and then the
    /// outcomes are numbered, as a worker's tick does.
    var text: String {
        var lines = ["\\set base random(1, 2000000000)", "\\set lease0 :base * 64", claim]
        for (place, step) in steps.enumerated() {
            lines.append("\\set lease\(place + 1) :base * 64 + \(place + 1)")
            lines.append(settle(step, place, next: place + 1 < steps.count ? steps[place + 1] : nil))
        }
        lines += ["\\set tick random(1, 10)", "\\if :tick = 1", "SELECT embark.number_outcomes(1000);", "\\endif"]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The rows are read as a worker reads them, and their ids kept for the settles.
    private var claim: String {
        let sql = Self.withParameters(
            SQL.claim,
            [
                "5::smallint", "\(batch)", "1", ":lease0", "'{\(steps[0].rawValue)}'",
                "'{\(steps[0].policy.leaseSeconds)}'", "NULL::timestamptz", "NULL::text[]",
                "'{\(steps[0].policy.horizonSeconds)}'",
            ]
        )
        // The last SELECT becomes a part that is read whole.
        let parts = sql.components(separatedBy: ") SELECT c.signup_id")
        return parts[0] + "), fetched AS MATERIALIZED (SELECT c.signup_id" + parts[1]
            + ") SELECT coalesce(array_agg(signup_id), '{}')::text AS ids, sum(length(code)) AS codes, "
            + "sum(cardinality(plan)) AS plans, sum(length(waba_id)) AS accounts FROM fetched \\gset"
    }

    private func settle(_ step: Step, _ place: Int, next: Step?) -> String {
        func all(_ value: String) -> String {
            "'{" + Array(repeating: value, count: batch).joined(separator: ",") + "}'"
        }
        // A column without values is empty, as a worker sends it.
        var parameters = Array(repeating: "'{}'", count: 29)
        parameters[0] = ":ids"
        parameters[1] = "array_fill(:lease\(place)::bigint, ARRAY[\(batch)])"
        parameters[2] = all("1")
        parameters[3] = all(step.rawValue)
        parameters[4] = all("1")
        parameters[5] = all("done")
        parameters[6] = all("0.05")
        parameters[14] = all("true")
        if let next {
            parameters[11] = all(next.rawValue)
            parameters[12] = all("\(next.policy.leaseSeconds)")
            parameters[13] = all("\(next.policy.horizonSeconds)")
            parameters[15] = "array_fill(:lease\(place + 1)::bigint, ARRAY[\(batch)])"
        } else {
            parameters[12] = all("0")
            parameters[16] = all("completed")
        }
        parameters[28] = "1"
        return Self.withParameters(SQL.settle, parameters) + ";"
    }

    /// On one line, without comments, the parameters in place.
    private static func withParameters(_ file: SQL.File, _ parameters: [String]) -> String {
        let code = file.text.split(separator: "\n").filter { !$0.trimmingCharacters(in: .whitespaces).hasPrefix("--") }
        let words = code.joined(separator: " ").split(separator: " ", omittingEmptySubsequences: true)
        return words.joined(separator: " ").replacing(/\$([0-9]+)/) { match in
            Int(match.output.1).map { parameters[$0 - 1] } ?? String(match.output.0)
        }
    }
}
