/// `embark errors`, and the handbook's page that is made of it.
import Foundation
import Support
import Testing

@Suite(.timeLimit(.minutes(10)))
struct CommandErrorsTests {
    @Test func `The page in deploy is what the command prints`() async throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../../deploy/errors.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let printed = try await Command.run(["errors", "--markdown"], database: nil).out
        #expect(text.hasSuffix(printed), "make it anew: see the first lines of deploy/errors.md")
        #expect(printed.split(separator: "\n").count > 60)
    }

    @Test func `A code is explained by its own row, or by the one without its subcode`() async throws {
        let own = try await Command.run(["errors", "133005"], database: nil)
        #expect(
            own.out == """
                133005
                  Means       The number already has a PIN, and ours is another one.
                  Embark      ends there
                  Whose move  the customer (ask for the PIN), or you (set a new one)

                """
        )
        let plain = try await Command.run(["errors", "80007/2446079"], database: nil)
        #expect(plain.out.contains("pauses the account, for 15 min unless Meta names a time"))
        #expect(plain.code == 0)
    }

    @Test func `A code that no row explains ends with 3, and says what becomes of it`() async throws {
        let result = try await Command.run(["errors", "424242"], database: nil)
        #expect(result.code == 3)
        #expect(result.err.contains("no row explains the code 424242"))
        #expect(result.out.isEmpty)
    }

    @Test func `Programs get an object a row`() async throws {
        let result = try await Command.run(["errors", "-o", "jsonl"], database: nil)
        let lines = result.out.split(separator: "\n")
        #expect(lines.count > 60)
        for line in lines {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["means"] as? String != nil)
        }
    }
}
