/// `embark worker`: a process that works signups off.
import ArgumentParser
import Foundation
import Logging
import OnboardingRuntime
import ServiceLifecycle
import UnixSignals

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Work signups off.",
        discussion: """
            Claims jobs, calls Graph, and moves signups on. Start as many as you like, on
            as many machines, against the same database. SIGTERM lets calls in flight end.
            Settings come from the environment: README names each.

            EXAMPLES
              embark worker
              embark worker --concurrency 200 --listen 0.0.0.0:9464
              embark worker --until-idle     exit 0 once no job is left
            """
    )

    @Option(help: "Calls in flight (default: EMBARK_CONCURRENCY, 64).") var concurrency: Int?
    @Flag(name: .customLong("until-idle"), help: "End when no job is left, retries included.") var untilIdle = false
    @Option(
        help: ArgumentHelp("Where /healthz, /readyz and /metrics are (default: EMBARK_LISTEN).", valueName: "host:port")
    )
    var listen: String?

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        var flags: [String: String] = [:]
        if let url = global.databaseURL { flags["EMBARK_DATABASE_URL"] = url }
        if let concurrency { flags["EMBARK_CONCURRENCY"] = "\(concurrency)" }
        if let listen { flags["EMBARK_LISTEN"] = listen }
        let sources = try SettingSources(flags: flags, environment: ProcessInfo.processInfo.environment)
        let settings = try WorkerSettings(sources: sources)
        // Whoever reads the log may go: work goes on without it.
        signal(SIGPIPE, SIG_IGN)
        let logging = try LogSettings(sources: sources, isTerminal: isatty(STDERR_FILENO) == 1)
        LoggingSystem.bootstrap { LineLogHandler(label: $0, format: logging.format, level: logging.level) }
        let logger = Logger(label: "embark")
        let worker = Worker(settings: settings, untilIdle: untilIdle, logger: logger)
        var quiet = logger
        quiet.logLevel = .warning
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(
                        service: HealthServer(settings: settings, worker: worker, logger: logger),
                        successTerminationBehavior: .gracefullyShutdownGroup
                    ),
                    .init(
                        service: worker,
                        successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup
                    ),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: quiet
            )
        )
        try await group.run()
    }
}
