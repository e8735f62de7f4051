/// What the commands say of themselves: examples, completion scripts, the manual page.
import Foundation
import OnboardingRuntime
import Support
import Testing

@Suite(.timeLimit(.minutes(10))) struct CommandTextsTests {
    /// Every command that people see and that is no mere group, by its words.
    private func commands() async throws -> [(words: [String], discussion: String)] {
        let dump = try await Command.run(["--experimental-dump-help"], database: nil).object()
        func visit(_ command: [String: Any], _ words: [String]) -> [(words: [String], discussion: String)] {
            let subcommands = (command["subcommands"] as? [[String: Any]] ?? []).filter {
                $0["shouldDisplay"] as? Bool != false && $0["commandName"] as? String != "help"
            }
            if subcommands.isEmpty { return [(words, command["discussion"] as? String ?? "")] }
            return subcommands.flatMap { visit($0, words + [$0["commandName"] as? String ?? ""]) }
        }
        return visit(try #require(dump["command"] as? [String: Any]), [])
    }

    @Test func `Every command's help has examples, of that command`() async throws {
        let commands = try await commands()
        #expect(commands.count >= 18)
        for (words, discussion) in commands {
            let lines = discussion.split(separator: "\n").drop { $0 != "EXAMPLES" }
            #expect(lines.contains { $0.contains("embark " + words.joined(separator: " ")) }, "\(words): \(discussion)")
        }
    }

    @Test func `Bash completes commands, options, states, steps and files`() async throws {
        let script = try await Command.run(["--generate-completion-script", "bash"], database: nil)
        #expect(script.code == 0)
        #expect(try await Command.program("bash", ["-n"], input: script.out).err == "")
        let cases: [(String, contains: [String], lacks: [String])] = [
            ("embark ", ["migrate", "signup", "doctor", "health"], ["benchmark-engine", "man"]),
            ("embark doc", ["doctor"], ["migrate"]), ("embark signup ", ["add", "list", "show", "token"], ["doctor"]),
            (
                "embark signup list --", ["--state", "--step", "--since", "--error-code", "--waba", "--after"],
                ["--json-lines"]
            ),
            ("embark signup list --state ", ["running", "completed", "failed", "cancelled"], ["subscribe_app"]),
            ("embark signup list --waiting-on ", ["customer", "operator"], []),
            ("embark signup list --step reg", ["register_phone"], ["exchange_code"]),
            ("embark signup list -o ", ["table", "json", "jsonl"], []),
            ("embark signup add --flow co", ["coexistence"], ["cloud_api"]),
            ("embark signup add --json-lines ./some", ["./some-signups.jsonl"], []),
            ("embark pause ", ["app", "system", "credit"], []),
        ]
        for (line, contains, lacks) in cases {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map { "'\($0)'" }
            let program = """
                set -e
                cd "$(mktemp -d)"; touch some-signups.jsonl
                \(script.out)
                COMP_WORDS=(\(words.joined(separator: " "))); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
                _embark embark "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            let offered = try await Command.program("bash", ["-s"], input: program)
            let replies = offered.outLines.map { $0.trimmingCharacters(in: .whitespaces) }
            for word in contains { #expect(replies.contains(word), "\(line): \(offered.all)") }
            for word in lacks { #expect(!replies.contains(word), "\(line): \(offered.all)") }
        }
    }

    @Test(arguments: [("zsh", "#compdef embark"), ("fish", "complete -c 'embark'")])
    func `The other shells have a script as well, which they accept where they are installed`(
        shell: String,
        words: String
    ) async throws {
        let script = try await Command.run(["--generate-completion-script", shell], database: nil)
        #expect(script.code == 0)
        #expect(script.out.contains(words), "\(script.out.prefix(200))")
        for word in ["register_phone", "cancelled", "jsonl"] { #expect(script.out.contains(word), "\(word)") }
        let finder = try await Command.program("bash", ["-c", "command -v \(shell) || true"])
        guard !finder.out.isEmpty else { return }
        #expect(try await Command.program(shell, ["-n"], input: script.out).err == "")
    }

    @Test func `The manual page has every command and setting, and groff finds nothing wrong with it`() async throws {
        let page = try await Command.run(["man"], database: nil)
        #expect(page.code == 0)
        let checked = try await Command.program("groff", ["-man", "-ww", "-z", "-Tutf8"], input: page.out)
        #expect(checked.err == "")
        #expect(checked.code == 0)
        let shown = try await Command.program("groff", ["-man", "-Tascii", "-P-c", "-P-b", "-P-u"], input: page.out)
        let text = shown.out.replacing("\u{2010}", with: "-")
        let flat = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for (words, _) in try await commands() {
            #expect(flat.contains("embark " + words.joined(separator: " ")), "\(words)")
        }
        for setting in SettingSources.names { #expect(text.contains(setting), "\(setting)") }
        for phrase in ["NAME", "SYNOPSIS", "EXIT STATUS", "--error-code code", "jq -r 'select(.generation > 1) | .id'"]
        {
            #expect(flat.contains(phrase), "\(phrase): \(text)")
        }
        let named = Set(page.out.matches(of: /EMBARK_[A-Z_]+/).map { String($0.output).replacing("_FILE", with: "") })
        #expect(named == Set(SettingSources.names))
        #expect(!page.out.unicodeScalars.contains { !$0.isASCII })
    }
}
