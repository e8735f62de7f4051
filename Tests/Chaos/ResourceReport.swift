/// Whether what workers hold stays what it is.
import Foundation
import OnboardingRuntime

struct ResourceReport: Sendable {
    private let samples: [ResourceWatch.Sample]
    private let isSoak: Bool

    /// What a later quarter of a soak may hold more than an earlier one.
    private static let memoryGrowthMaxMiB = 4.0
    private static let descriptorGrowthMax = 4.0
    private static let taskGrowthMax = 2.0
    /// Samples of one process that are enough to judge it.
    private static let samplesMin = 60

    init(_ samples: [ResourceWatch.Sample], isSoak: Bool) {
        self.samples = samples
        self.isSoak = isSoak
    }

    private struct Growth: Sendable {
        let name: String
        let unit: String
        let max: Double
        let value: @Sendable (ResourceWatch.Sample) -> Double
    }

    private static let kinds = [
        Growth(name: "memory", unit: "MiB", max: memoryGrowthMaxMiB) { $0.memoryMiB },
        Growth(name: "descriptors", unit: "open", max: descriptorGrowthMax) { Double($0.descriptors) },
        Growth(name: "tasks", unit: "threads", max: taskGrowthMax) { Double($0.tasks) },
    ]

    var peaks: String {
        Self.kinds.map { kind in
            "\(kind.name) \(Int(samples.map(kind.value).max() ?? 0)) \(kind.unit)"
        }.joined(separator: ", ")
    }

    /// By process, the middle of each of its quarters; the first one is the start, which is not judged.
    private func quarters(_ kind: Growth) -> [(slot: Int, medians: [Double])] {
        Dictionary(grouping: samples, by: \.processID).values
            .filter { $0.count >= Self.samplesMin }
            .map { samples in
                let values = samples.sorted { $0.seconds < $1.seconds }.map(kind.value)
                let quarter = values.count / 4
                return (
                    samples[0].slot,
                    (0..<4).map { Self.median(values[($0 * quarter)..<(($0 + 1) * quarter)]) }
                )
            }
            .sorted { $0.slot < $1.slot }
    }

    private static func median(_ values: ArraySlice<Double>) -> Double { values.sorted()[values.count / 2] }

    var rows: [(String, String)] {
        guard isSoak else { return [] }
        return Self.kinds.map { kind in
            (
                kind.name,
                quarters(kind).map { slot, medians in
                    "worker \(slot): " + medians.map { String(format: "%.0f", $0) }.joined(separator: " → ")
                }.joined(separator: "; ")
            )
        }
    }

    /// What grows.
    var shortfalls: [String] {
        guard isSoak else { return [] }
        guard !quarters(Self.kinds[0]).isEmpty else { return ["no worker lived long enough to be judged"] }
        return Self.kinds.flatMap { kind in
            quarters(kind).filter { $0.medians[3] - $0.medians[1] > kind.max }.map { slot, medians in
                "\(kind.name) of worker \(slot) grew from \(medians[1]) to \(medians[3]) \(kind.unit)"
            }
        }
    }

    /// Every sample, for other programs.
    var csv: String {
        "seconds,worker,pid,memory_mib,descriptors,threads\n"
            + samples.map { sample in
                "\(Int(sample.seconds)),\(sample.slot),\(sample.processID),"
                    + String(format: "%.1f", sample.memoryMiB) + ",\(sample.descriptors),\(sample.tasks)\n"
            }.joined()
    }

    /// The largest of all workers, over time.
    var svg: String {
        let bySecond = Dictionary(grouping: samples) { Int($0.seconds) }
        func line(_ kind: Growth) -> [(Double, Double)] {
            bySecond.sorted { $0.key < $1.key }.map { (Double($0.key), $0.value.map(kind.value).max() ?? 0) }
        }
        return TimePlot(
            title: "What a worker holds while PostgreSQL crashes and a tenth of all calls fails",
            panels: [
                .init(unit: "MiB resident", lines: [.init(name: "", values: line(Self.kinds[0]))]),
                .init(
                    unit: "open descriptors and threads",
                    lines: [
                        .init(name: "descriptors", values: line(Self.kinds[1])),
                        .init(name: "threads", values: line(Self.kinds[2])),
                    ]
                ),
            ]
        ).svg
    }
}
