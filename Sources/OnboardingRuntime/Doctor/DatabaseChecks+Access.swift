/// Who may do what, and what the server writes into its log.
import Onboarding
import Postgres

extension DatabaseChecks {
    func roles() async throws -> [Finding] {
        let roles = try await ask(Queries.inspectRoles())
        var findings: [Finding] = []
        let missing = roles.filter { !$0.isPresent }.map(\.name)
        if !missing.isEmpty {
            findings.append(
                .fail("roles", "missing: \(missing.joined(separator: ", "))", remedy: "Run: embark migrate")
            )
        }
        for role in roles where role.isTooMighty {
            findings.append(
                .fail(
                    "roles",
                    "\(role.name) can log in, or is a superuser, or bypasses row security; it must only group rights",
                    remedy: "ALTER ROLE \(role.name) NOLOGIN NOSUPERUSER NOBYPASSRLS;"
                )
            )
        }
        return findings.isEmpty ? [.ok("roles", "all \(roles.count) are there and can only be granted")] : findings
    }

    /// A role that was dropped and made again has lost its rights, and so has a dump restored into another cluster.
    func rights() async throws -> [Finding] {
        let missing = try await ask(Queries.inspectRights())
        if missing.isEmpty { return [.ok("rights", "each role has what it is for")] }
        return missing.map { .fail("rights", "\($0.role) may not \($0.right)", remedy: $0.remedy) }
    }

    func functions() async throws -> [Finding] {
        let problems = try await ask(Queries.inspectFunctions())
        if problems.isEmpty { return [.ok("functions", "pinned and revoked from PUBLIC")] }
        return problems.map { found in
            .fail(
                "functions",
                "\(found.function) \(found.problem)",
                remedy: "Compare it with sql/migrations and restore it."
            )
        }
    }

    func secrets() async throws -> [Finding] {
        let readers = try await ask(Queries.inspectSecrets()).map(\.value)
        if readers.isEmpty { return [.ok("secrets", "only workers and the owner can read them")] }
        return [
            .fail(
                "secrets",
                "codes and PINs can be read by: \(readers.joined(separator: ", "))",
                remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of."
            )
        ]
    }

    func logging() async throws -> [Finding] {
        let leaks = try await ask(Queries.inspectLogging())
        if leaks.isEmpty {
            return [.ok("server log", "no login role's settings write bound parameters into it")]
        }
        return leaks.map { leak in
            .warn(
                "server log",
                "\(leak.role): \(leak.setting) = \(leak.value) writes codes and PINs into the server's log",
                remedy: leak.remedy
            )
        }
    }
}
