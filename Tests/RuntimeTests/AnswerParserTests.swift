/// Bytes from the network, hostile ones included, become what Graph said or a short description: never a crash.
import Foundation
import Onboarding
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct AnswerParserTests {
    private func parse(_ text: String, _ type: String? = "application/json") -> GraphResponse.Content {
        AnswerParser.content(of: Array(text.utf8), contentType: type)
    }

    private func value(_ text: String) -> JSON? {
        if case .value(let json) = parse(text) { json } else { nil }
    }

    private func error(_ text: String) -> GraphError? {
        if case .error(let error) = parse(text) { error } else { nil }
    }

    // MARK: Graph's error envelope

    @Test func `The envelope of WhatsApp's endpoints is read with its details`() {
        let text = """
            {"error":{"message":"(#131030) Recipient phone number not in allowed list","type":"OAuthException",\
            "code":131030,"error_data":{"messaging_product":"whatsapp","details":"Add it"},"error_subcode":2655007,\
            "fbtrace_id":"AI5Ob2z72R0JAUB5zOF-nao"}}
            """
        #expect(
            error(text)
                == GraphError(
                    code: 131030,
                    subcode: 2_655_007,
                    message: "(#131030) Recipient phone number not in allowed list",
                    details: "Add it",
                    fbtraceID: "AI5Ob2z72R0JAUB5zOF-nao"
                )
        )
    }

    @Test func `The envelope of the other endpoints has a bare text for its data, or none`() {
        #expect(error(#"{"error":{"message":"m","code":100,"error_data":"bare"}}"#)?.details == "bare")
        #expect(error(#"{"error":{"message":"m","code":2,"is_transient":true}}"#)?.isTransient == true)
        #expect(error(#"{"error":{"message":"m","code":2,"is_transient":1}}"#)?.isTransient == false)
        #expect(error(#"{"error":{"code":0}}"#) == GraphError(code: 0, message: ""))
        let nulls = #"{"error":{"code":1,"message":null,"error_subcode":null,"error_data":null,"fbtrace_id":7}}"#
        #expect(error(nulls) == GraphError(code: 1, message: ""))
        #expect(error(#"{"error":{"code":190,"error_subcode":463},"data":[]}"#)?.name == "190/463")
    }

    @Test(arguments: [
        #"{"error":{"message":"no code"}}"#, #"{"error":{"code":"100"}}"#, #"{"error":{"code":1.5}}"#,
        #"{"error":{"code":1e400}}"#, #"{"error":{"code":true}}"#, #"{"error":"code"}"#, #"{"error":[{"code":1}]}"#,
        #"{"error":null}"#, #"[{"error":{"code":1}}]"#, #"{"error":{"code":99999999999999999999}}"#,
    ])
    func `What only looks like the envelope is not taken for one`(text: String) {
        if case .error(let error) = parse(text) { Issue.record("taken for \(error)") }
    }

    @Test func `Secrets in Graph's words are scrubbed, NUL is replaced and the length is bounded`() throws {
        let text = """
            {"error":{"code":190,"message":"Malformed access token EAAGm0PX4ZCpsBAKsecret\\u0000",\
            "error_data":{"details":"code=AQBcanary&x=1"},"fbtrace_id":"client_secret=canary"}}
            """
        let found = try #require(error(text))
        #expect(found.message == "Malformed access token [secret]\u{FFFD}")
        #expect(found.details == "code=[secret]&x=1")
        #expect(found.fbtraceID == "client_secret=[secret]")
        let long = try #require(error(#"{"error":{"code":1,"message":"\#(String(repeating: "x", count: 500_000))"}}"#))
        #expect(long.message.count == 1001)
    }

    @Test func `One character of half a megabyte is not stored whole`() throws {
        let marks = String(repeating: "\u{301}", count: 250_000)
        let found = try #require(error(#"{"error":{"code":1,"message":"e\#(marks)"}}"#))
        #expect(found.message.utf8.count <= 4100)
    }

    // MARK: Values

    @Test func `Ids keep each of their digits, as texts and as numbers`() {
        for id in ["1", "102290129340398", "9007199254740993", "9223372036854775807", "18446744073709551615"] {
            #expect(value("{\"id\":\"\(id)\"}")?["id"]?.id == id)
            #expect(value("{\"id\":\(id)}")?["id"]?.id == id, "\(id) as a number")
        }
    }

    @Test(arguments: [
        "18446744073709551616", "99999999999999999999", "12345678901234567890123456789012", "1e3", "1.0", "-1", "1e400",
        "0.1",
    ])
    func `A number that is no id is at worst none, and never another id`(number: String) {
        guard let id = value("{\"id\":\(number)}")?["id"]?.id else { return }
        #expect(id == number || ["1e3", "1.0"].contains(number))
    }

    @Test func `Booleans are no numbers and numbers no Booleans`() {
        let json = value(#"{"t":true,"f":false,"one":1,"zero":0,"n":null,"list":[true,1]}"#)
        #expect(json?["t"] == .bool(true))
        #expect(json?["f"] == .bool(false))
        #expect(json?["one"] == .number("1"))
        #expect(json?["zero"] == .number("0"))
        #expect(json?["n"] == .null)
        #expect(json?["list"] == .array([.bool(true), .number("1")]))
    }

    @Test func `A repeated member is no reason to refuse the rest`() {
        let json = value(#"{"a":1,"a":2,"b":"x"}"#)
        #expect(json?["b"] == .string("x"))
        #expect(json?["a"]?.int != nil)
    }

    @Test func `Texts arrive as they were escaped`() {
        let json = value(#"{"a":"\u0000\ud83d\ude00\"\\\/\n","":"empty"}"#)
        #expect(json?["a"] == .string("\0\u{1F600}\"\\/\n"))
        #expect(json?[""] == .string("empty"))
        #expect(value("true") == .bool(true))
        #expect(value(" [ ] ") == .array([]))
    }

    // MARK: What is not Graph's

    @Test(arguments: [
        "", " ", "<html><body>502 Bad Gateway EAAcanary123</body></html>", "{", "{\"a\":1", "{\"a\":1}}", "{\"a\":1}\0",
        "\0",
        "{'a':1}", "NaN", "{\"a\":NaN}", "{\"a\":01}", "\"\u{1}\"", #"{"a":"\x"}"#,
    ])
    func `A body that is no JSON is described by type and length, without its content`(text: String) {
        guard case .unreadable(let what) = parse(text, "text/html; charset=utf-8") else {
            Issue.record("read as \(parse(text))")
            return
        }
        #expect(what == "text/html; charset=utf-8, \(text.utf8.count) bytes")
    }

    @Test func `A long content type is cut`() {
        let content = parse("", String(repeating: "x", count: 100_000))
        #expect(content == .unreadable(String(repeating: "x", count: 80) + ", 0 bytes"))
        #expect(parse("", nil) == .unreadable("no content type, 0 bytes"))
    }

    @Test(arguments: [[0xFF], [0xC0, 0x80], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x7B, 0x22, 0xC3]] as [[UInt8]])
    func `Bytes that are no UTF-8 are refused`(bytes: [UInt8]) {
        let content = AnswerParser.content(of: bytes, contentType: nil)
        #expect(content == .unreadable("not UTF-8: no content type, \(bytes.count) bytes"))
    }

    @Test(arguments: [#""\ud800""#, #""\udc00\ud800""#, #"{"\ud800":1}"#, #""\ud800x""#, #""\u12""#])
    func `A lone surrogate is refused or replaced`(text: String) {
        switch parse(text) {
        case .unreadable: break
        case .value(let json): #expect("\(json)".contains("\u{FFFD}"))
        case .error(let error): Issue.record("taken for \(error)")
        }
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":"]) func `A body that nests ten thousand deep is refused`(open: String) {
        guard case .unreadable(let what) = parse(String(repeating: open, count: 10_000)) else {
            Issue.record("taken")
            return
        }
        #expect(what.hasPrefix("nested too deeply"))
    }

    @Test func `Sixty-four levels are read, and brackets in texts do not count`() {
        let nested = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(value(nested) != nil)
        #expect(value("[" + nested + "]") == nil)
        let text = String(repeating: "[{", count: 1000) + "\\\"["
        #expect(value("{\"a\":\"\(text)\"}")?["a"]?.string == String(repeating: "[{", count: 1000) + "\"[")
    }

    @Test func `Twenty thousand values are read, and not one more`() {
        func list(_ count: Int) -> String { "[" + Array(repeating: "1", count: count).joined(separator: ",") + "]" }
        // The list is one itself.
        #expect(value(list(19_998))?.array?.count == 19_998)
        for text in [list(20_000), list(400_000), "[" + String(repeating: "{},", count: 20_000) + "1]"] {
            guard case .unreadable(let what) = parse(text) else {
                Issue.record("taken")
                continue
            }
            #expect(what.hasPrefix("too many values"))
        }
        let text = String(repeating: ",", count: 100_000)
        #expect(value("{\"a\":\"\(text)\"}")?["a"]?.string == text)
    }

    @Test func `A text of a megabyte is read`() {
        let text = String(repeating: "a\u{1F600}", count: 1 << 18)
        #expect(value("\"\(text)\"")?.string?.utf8.count == text.utf8.count)
    }
}
