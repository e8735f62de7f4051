/// The last line of defence: what no stored or logged text may hold.
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct ScrubberTests {
    @Test(arguments: [
        ("", ""), ("plain words", "plain words"),
        ("token EAAGm0PX4ZCpsBAK expired", "token [secret] expired"),
        ("EAAGm0PX4ZCpsBAK", "[secret]"), ("(EAAGm0PX4ZCpsBAK)", "([secret])"),
        ("two EAAGm0PX4ZCps, EAAGm0PX4ZCps.", "two [secret], [secret]"),
        ("EAA and EAAs stay", "EAA and EAAs stay"), ("EAAaaaaaaa", "EAAaaaaaaa"), ("EAAaaaaaaaa", "[secret]"),
        ("https://x/?access_token=abc&b=1", "https://x/?access_token=[secret]&b=1"),
        ("client_secret=0123456789abcdef", "client_secret=[secret]"),
        ("code=AQBhlXsctMxJYbwbrpybxlo9tLPGy#_", "code=[secret]#_"),
        ("input_token=1|s&appsecret_proof=ff", "input_token=[secret]&appsecret_proof=[secret]"),
        ("access_token=1|s%20", "access_token=[secret]"), ("access_token=", "access_token=[secret]"),
        ("access_token=EAAGm0PX4ZCpsBAK", "access_token=[secret]"),
        ("access_token=code=EAAGm0PX4ZCpsBAK", "access_token=[secret]"),
        // Percent-encoded, once and twice, as in a URL that stands in another one's query.
        ("u=https%3A%2F%2Fx%3Faccess_token%3D1%7Cs%26b%3D1", "u=https%3A%2F%2Fx%3Faccess_token%3D[secret]%26b%3D1"),
        ("next=%2Fcb%3Fcode%3DAQB%252Fx%23_%26z", "next=%2Fcb%3Fcode%3D[secret]%23_%26z"),
        ("a%253Fclient_secret%253D0123%2526b", "a%253Fclient_secret%253D[secret]%2526b"),
        ("a%3fCODE%3dAQB%26b", "a%3fCODE%3d[secret]%26b"),
        // JSON, plain, escaped within a string of JSON, percent-encoded, and with single quotes.
        (#"{"access_token":"1|s","b":1}"#, #"{"access_token":"[secret]","b":1}"#),
        (#"{"code" : "AQB\"x\\","b":1}"#, #"{"code" : "[secret]","b":1}"#),
        (#"{\"client_secret\": \"01,23\", \"b\": 1}"#, #"{\"client_secret\": \"[secret]\", \"b\": 1}"#),
        (#"{\\\"pin\\\":\\\"000123\\\"}"#, #"{\\\"pin\\\":\\\"[secret]\\\"}"#),
        ("{'verify_token': 'v t', 'b': 1}", "{'verify_token': '[secret]', 'b': 1}"),
        ("%7B%22code%22%3A%22AQB%22%7D", "%7B%22code%22%3A%22[secret]%22%7D"),
        (#"{"pin":123456}"#, #"{"pin":[secret]}"#),
        (#"?a=1\u0026access_token=1|s"#, #"?a=1\u0026access_token=[secret]"#),
        (#"access_token\u003d1|s\u0026b"#, #"access_token\u003d[secret]\u0026b"#),
        // An error's own code is a number, and another name's.
        (#"{"error":{"code":190,"error_code":"x"}}"#, #"{"error":{"code":190,"error_code":"x"}}"#),
        ("code: 190, code 190", "code: 190, code 190"), (#"{"code":"#, #"{"code":"#),
        (#"{"pin":"#, #"{"pin":[secret]"#),
        (#""code":""#, #""code":"[secret]"#), ("code%3", "code%3"), ("code\\", "code\\"),
    ])
    func `Tokens and the values of secret parameters are replaced, and the words around them stay`(
        text: String,
        scrubbed: String
    ) {
        #expect(Scrubber.scrub(text) == scrubbed)
    }

    @Test(arguments: [
        "access_token", "client_secret", "code", "input_token", "appsecret_proof", "fb_exchange_token", "pin",
    ])
    func `A value goes whole, whatever signs it holds`(name: String) {
        for text in [#""\#(name)":"ab,}canary""#, #"\"\#(name)\":\"ab\\\"canary\""#, "%22\(name)%22%3A%22ab canary"] {
            #expect(!Scrubber.scrub(text).contains("canary"), "\(text)")
        }
        for value in ["ab+canary", "ab/canary", "ab=canary", "ab%2Bcanary", "ab~canary", "ab:canary", "e\u{301}canary"]
        {
            #expect(!Scrubber.scrub("before \(name)=\(value) after").contains("canary"), "\(value)")
        }
        #expect(Scrubber.scrub("\(name)=x after").hasSuffix(" after"))
    }

    @Test func `A sign that joins with the one before hides nothing`() {
        #expect(!Scrubber.scrub("access_token=\u{301}canary").contains("canary"))
    }

    @Test func `An error's number behind "error_code=" stays`() {
        #expect(Scrubber.scrub("error_code=133005 was given") == "error_code=133005 was given")
    }

    @Test func `What is stored has no NUL and at most a thousand characters and a mark`() {
        #expect(StorableText.of("a\0b\0\u{301}") == "a\u{FFFD}b\u{FFFD}\u{301}")
        #expect(StorableText.of(String(repeating: "x", count: 1000)).count == 1000)
        #expect(StorableText.of(String(repeating: "x", count: 1001)) == String(repeating: "x", count: 1000) + "…")
        #expect(StorableText.of("e" + String(repeating: "\u{301}", count: 100_000)).utf8.count <= 4100)
    }

    @Test func `An id that is stored fits into an index, whatever Graph calls one`() {
        #expect(StorableText.id("AbCdEf") == "AbCdEf")
        #expect(StorableText.id(String(repeating: "\u{1F600}", count: 1000)).utf8.count <= 403)
    }

    @Test func `A token across the cut does not show its beginning`() {
        let text = StorableText.of(String(repeating: "x", count: 990) + " EAAGm0PX4ZCpsBAKcanary")
        #expect(!text.contains("EAAG"))
    }
}
