/// What `embark benchmark` measures with: percentiles, plots, the bar, and what it refuses.
import Foundation
import FoundationXML
import OnboardingRuntime
import Support
import Testing

@Suite struct LatencyHistogramTests {
    @Test func `Percentiles are within a hundredth of the samples`() {
        var histogram = LatencyHistogram()
        for millisecond in 1...1_000 { histogram.record(Double(millisecond) / 1_000) }
        for (share, seconds) in [(0.01, 0.010), (0.5, 0.5), (0.9, 0.9), (0.99, 0.99), (1, 1)] {
            #expect(abs(histogram.percentile(share) - seconds) <= seconds / 100, "\(share)")
        }
        #expect(histogram.count == 1_000)
        #expect(histogram.max == 1)
    }

    @Test func `Nothing, zero, less than a microsecond and more than a day are counted`() {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(0.5) == 0)
        for seconds in [0, 1e-9, 1e-6, 1e9, .infinity] { histogram.record(seconds) }
        #expect(histogram.count == 5)
        #expect(histogram.percentile(0.5) <= 1.02e-6)
        #expect(histogram.percentile(0.99) > 30_000)
    }

    @Test func `Two become one`() {
        var left = LatencyHistogram()
        var right = LatencyHistogram()
        for _ in 1...10 { left.record(0.001) }
        for _ in 1...10 { right.record(1) }
        left.merge(right)
        #expect(left.count == 20)
        #expect(left.max == 1)
        #expect(abs(left.percentile(0.25) - 0.001) < 0.00002)
        #expect(abs(left.percentile(0.75) - 1) < 0.02)
    }
}

@Suite struct TimePlotTests {
    private func plot(_ rates: [Double], title: String = "Steps") -> TimePlot {
        TimePlot(
            title: title,
            points: rates.enumerated().map { .init(seconds: Double($0 + 1), rate: $1, low: 0.001, high: 0.002) },
            marked: 2...3,
            mark: "held"
        )
    }

    /// The points of each line of an SVG, read by an XML parser and not by the code that wrote them.
    private final class Reader: NSObject, XMLParserDelegate {
        var lines: [[(x: Double, y: Double)]] = []
        var texts: [String] = []
        private var text = ""

        func parser(
            _ parser: XMLParser,
            didStartElement name: String,
            namespaceURI: String?,
            qualifiedName: String?,
            attributes: [String: String]
        ) {
            text = ""
            guard name == "polyline", let points = attributes["points"] else { return }
            lines.append(
                points.split(separator: " ").map { pair in
                    let numbers = pair.split(separator: ",").compactMap { Double($0) }
                    return (numbers[0], numbers[1])
                }
            )
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

        func parser(
            _ parser: XMLParser,
            didEndElement name: String,
            namespaceURI: String?,
            qualifiedName: String?
        ) { if name == "text" { texts.append(text) } }
    }

    private func read(_ svg: String) throws -> Reader {
        let parser = XMLParser(data: Data(svg.utf8))
        let reader = Reader()
        parser.delegate = reader
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
        return reader
    }

    @Test func `Each sample is a point, higher ones stand higher, and later ones further right`() throws {
        let reader = try read(plot([100, 400, 200, 300]).svg)
        #expect(reader.lines.map(\.count) == [4, 4, 4])
        let rates = try #require(reader.lines.first)
        #expect(rates.map(\.x) == rates.map(\.x).sorted())
        // 400 stands at the top of a scale to 400, 200 in its middle.
        #expect(rates.map(\.y) == [200, 50, 150, 100])
        #expect(reader.texts.contains("held"))
        #expect(reader.texts.contains("400"))
    }

    @Test func `No sample, one sample, infinities and very many make a picture`() throws {
        for rates in [[], [0], [.infinity, .nan, 5], Array(repeating: 7, count: 100_000)] {
            let svg = plot(rates).svg
            #expect(try read(svg).lines.count == 3)
            #expect(svg.utf8.count < 100_000)
        }
    }

    @Test func `A title is text`() throws {
        let title = #"<script>"&' 🚢"#
        #expect(try read(plot([1], title: title).svg).texts.first == title)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CommandBenchmarkTests {
    @Test(.database(.migrated)) func `A database with a schema embark is refused, and nothing in it is touched`()
        async throws
    {
        try await script("INSERT INTO embark.workers (host, pid, version) VALUES ('a', 1, '1')")
        let result = try await Command.run("benchmark", "--short")
        #expect(result.code == 2)
        #expect(result.out == "")
        #expect(result.err.contains("this database has a schema embark"))
        #expect(try await count("embark.workers") == 1)
    }

    @Test func `An unknown measure is a mistake in the call`() async throws {
        let result = try await Command.run(["benchmark", "--only", "speed"], database: nil)
        #expect(result.code == 64)
        #expect(result.err.contains("--only must be one of engine, chain, pickup"))
    }

    @Test(.database(.empty)) func `The short form measures, plots, and leaves the database as it was`() async throws {
        let file = NSTemporaryDirectory() + "embark-plot-\(UUID().uuidString).svg"
        // A password that the server does not ask for. Whoever may list processes sees the arguments of all.
        let password = "canary-password-\(UUID().uuidString)"
        let database = TestDatabase.current.url.replacing("postgres@", with: "postgres:\(password)@")
        try #require(database.contains(password))
        async let arguments = Self.argumentsOfOthers(until: "pgbench")
        let result = try await Command.run(
            ["benchmark", "--short", "--only", "engine", "--only", "snapshot", "--plot", file, "-o", "jsonl"],
            database: database
        )
        #expect(result.code == 0, "\(result.err)")
        let seen = try await arguments
        #expect(!seen.contains(password))
        #expect(!result.all.contains(password))
        let lines = try result.objectLines()
        #expect(Set(lines.compactMap { $0["measure"] as? String }) == ["engine", "snapshot"])
        for line in lines {
            let what = try #require(line["what"] as? String)
            let value = try #require(line["value"] as? Double)
            // It is no measure of speed here, but steps were counted and time was taken.
            if line["unit"] as? String == "steps/s", !what.hasPrefix("after") { #expect(value > 0, "\(what)") }
        }
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("<polyline"))
        try FileManager.default.removeItem(atPath: file)
        // What the medians are taken of, what else was done, and what one step cost the server.
        let whole = try #require(lines.first { $0["what"] as? String == "one worker process, against pgbench" })
        #expect((whole["rounds"] as? [Double])?.count == 1)
        #expect((whole["reference_rounds"] as? [Double])?.count == 1)
        let wal = lines.filter { ($0["what"] as? String)?.hasSuffix("WAL a step") == true }
        #expect(wal.count == 4)
        #expect(wal.allSatisfy { ($0["value"] as? Double ?? 0) > 100 }, "\(wal)")
        #expect(try await texts("SELECT to_regnamespace('embark') IS NULL || ''") == ["true"])
    }

    /// The arguments of all processes, each time they are looked at, until one is such a program.
    private static func argumentsOfOthers(until program: String) async throws -> String {
        var seen: Set<String> = []
        try await eventually("\(program) runs", within: .seconds(60)) {
            for process in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(process) != nil {
                // It may have ended meanwhile.
                guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { continue }
                seen.insert(String(decoding: bytes, as: UTF8.self))
            }
            return seen.contains { $0.prefix { $0 != "\0" }.hasSuffix(program) }
        }
        return seen.joined(separator: "\n")
    }
}
