import GraphSimulator
import Testing

@Suite("A code that says itself what it grants")
struct SelfDescribingCodeTests {
    @Test("names the account, the number and the business")
    func parts() throws {
        let code = try #require(SelfDescribingCode("102290129340398.106540352242922.2729063490586005.demo.7"))
        #expect(code.wabaID == "102290129340398")
        #expect(code.phoneNumberID == "106540352242922")
        #expect(code.businessID == "2729063490586005")
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "AQBh", "1.2.3", "1.2.3.", "1..3.x", "1.2.٣.x", "1.2.3x.y",
            String(repeating: "1", count: 33) + ".2.3.x",
        ]
    )
    func otherForms(code: String) {
        #expect(SelfDescribingCode(code) == nil)
    }
}
