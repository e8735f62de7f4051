// swift-tools-version: 6.2
import PackageDescription

#if canImport(Glibc)
    import Glibc
#endif

/// One list for every target, so that none is checked less strictly than another. A misspelt feature name compiles
/// silently and is off, so each module that holds code guards itself in CompilerSettings.swift.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// The linker that Swift for Linux brings along, and relocations packed (RELR) where the C library can read them, from glibc
/// 2.36 on: a process reads all of its relocations when it starts, and then they are resident.
func linking() -> [LinkerSetting] {
    #if canImport(Glibc)
        // All symbols are looked up at start, so that the table of them can be read-only from then on.
        var flags = ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "now"]
        let name = [CChar](unsafeUninitializedCapacity: 64) {
            $1 = confstr(Int32(_CS_GNU_LIBC_VERSION), $0.baseAddress, 64)
        }
        let version = String(decoding: name.dropLast().map(UInt8.init), as: UTF8.self)
            .split { !$0.isNumber }.compactMap { Int($0) }
        if version.count == 2, version[0] > 2 || version[1] >= 36 {
            flags += ["-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"]
        }
        return [.unsafeFlags(flags)]
    #else
        return []
    #endif
}

/// `scripts/fuzz` gives the path of libFuzzer's runtime: then what is fuzzed is compiled to tell it where it has been, and so
/// that each comparison can be seen. Optimised, for a fuzzer is as good as it is fast.
let fuzzer = Context.environment["EMBARK_FUZZER"]
let watched: [SwiftSetting] = fuzzer == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer", "-O"]), .define("FUZZER")]
let fuzzerLinking: [LinkerSetting] = fuzzer.map { [.unsafeFlags([$0, "-lstdc++"])] } ?? []

let package = Package(
    name: "embark",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "embark", targets: ["embark"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["Logging"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .systemLibrary(
            name: "CPostgres",
            pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"]), .brew(["libpq"])]
        ),
        .target(name: "Postgres", dependencies: ["CPostgres"], swiftSettings: strict),
        .target(
            name: "SQL",
            path: "sql",
            exclude: ["tests"],
            resources: [.embedInCode("migrations"), .embedInCode("queries"), .embedInCode("catalogue")],
            swiftSettings: strict
        ),
        .target(name: "Onboarding", swiftSettings: strict + watched),
        .target(
            name: "OnboardingRuntime",
            dependencies: [
                "Onboarding", "Postgres", "SQL",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict + watched
        ),
        .target(
            name: "GraphSimulator",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "embark",
            dependencies: [
                "GraphSimulator", "OnboardingRuntime",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict,
            linkerSettings: linking()
        ),
        .target(
            name: "Support",
            dependencies: ["Postgres", "SQL", .product(name: "Subprocess", package: "swift-subprocess")],
            path: "Tests/Support",
            swiftSettings: strict
        ),
        .target(
            name: "Invariants",
            dependencies: ["Postgres", .product(name: "Subprocess", package: "swift-subprocess")],
            path: "Tests/Invariants",
            resources: [.embedInCode("sql")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "chaos",
            dependencies: [
                "GraphSimulator", "Invariants", "OnboardingRuntime", "Postgres", "Support",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Tests/Chaos",
            exclude: ["planted"],
            swiftSettings: strict,
            linkerSettings: linking()
        ),
        .target(
            name: "FuzzTargets",
            dependencies: ["Onboarding", "OnboardingRuntime"],
            path: "Tests/Fuzz/Targets",
            swiftSettings: strict + watched
        ),
        .executableTarget(
            name: "fuzz",
            dependencies: ["FuzzTargets"],
            path: "Tests/Fuzz/Program",
            swiftSettings: strict + watched,
            linkerSettings: linking() + fuzzerLinking
        ),
        .testTarget(name: "OnboardingTests", dependencies: ["Onboarding"], swiftSettings: strict),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "GraphSimulator",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "PostgresTests", dependencies: ["Postgres", "Support"], swiftSettings: strict),
        .testTarget(
            name: "RuntimeTests",
            dependencies: [
                "embark", "fuzz", "FuzzTargets", "GraphSimulator", "Invariants", "Onboarding", "OnboardingRuntime",
                "Postgres", "SQL",
                "Support",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Subprocess", package: "swift-subprocess"),
            ],
            swiftSettings: strict
        ),
    ]
)
