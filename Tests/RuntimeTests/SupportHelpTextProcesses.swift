/// The help of the commands that are processes of their own, or print for others to read, at 80 columns.

extension HelpText {
    static let worker = HelpText(
        "worker",
        text: #"""
            OVERVIEW: Work signups off.

            Claims jobs, calls Graph, and moves signups on. Start as many as you like, on
            as many machines, against the same database. SIGTERM lets calls in flight end.
            Settings come from the environment: README names each.

            EXAMPLES
              embark worker
              embark worker --concurrency 200 --listen 0.0.0.0:9464
              embark worker --until-idle     exit 0 once no job is left

            USAGE: embark worker [--concurrency <concurrency>] [--until-idle] [--listen <host:port>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --concurrency <concurrency>
                                      Calls in flight (default: EMBARK_CONCURRENCY, 64).
              --until-idle            End when no job is left, retries included.
              --listen <host:port>    Where /healthz, /readyz and /metrics are (default:
                                      EMBARK_LISTEN).
              --database-url <url>    The database, as a PostgreSQL connection string
                                      (default: EMBARK_DATABASE_URL, then PGHOST and so on).
              -o, --output <output>   table, json or jsonl. (values: table, json, jsonl;
                                      default: table)
              --no-color              No colours, as with NO_COLOR; there are none in a
                                      pipe.
              --version               Show the version.
              -h, --help              Show help information.

            """#
    )

    static let graphSimulator = HelpText(
        "graph-simulator",
        text: #"""
            OVERVIEW: A Graph API of our own, for development and tests.

            Prints the address that it took on its first line and serves Graph's paths
            under any version. Codes are minted with POST /simulator/codes, or say
            themselves what they grant: WABA.PHONE.BUSINESS.anything. GET /simulator/ledger
            shows each request and each effect, GET /simulator/state what stands, and
            PUT /simulator/faults takes what --faults does. Faults: http500, html502,
            transient, code:N, code:N/SUBCODE, reset_before, reset_after, silent_before,
            silent_after, truncated, bad_json, malformed, slow, wrong_length, huge,
            deep_json, long_header, nul, lone_surrogate, duplicate_keys, huge_number,
            usage:PERCENT, usage:PERCENT:MINUTES, usage_raw:TEXT.

            EXAMPLES
              embark graph-simulator --listen 127.0.0.1:8090 --latency 50ms
              embark graph-simulator --seed 7 --faults \
                '{"register_phone": {"http500": 0.1, "reset_after": 0.05}}'
              embark graph-simulator --faults '{"share_credit_line": ["silent_after"]}'

            USAGE: embark graph-simulator [--listen <host:port>] [--latency <latency>] [--faults <faults>] [--seed <seed>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --listen <host:port>    Where to listen; port 0 takes a free one. (default:
                                      127.0.0.1:0)
              --latency <latency>     How long each answer is held back: 50ms, 2s, or a
                                      range 20ms-200ms. (default: 0ms)
              --faults <faults>       Faults by endpoint, as JSON; @FILE reads them from a
                                      file.
              --seed <seed>           What random faults are drawn from. (default: 0)
              --database-url <url>    The database, as a PostgreSQL connection string
                                      (default: EMBARK_DATABASE_URL, then PGHOST and so on).
              -o, --output <output>   table, json or jsonl. (values: table, json, jsonl;
                                      default: table)
              --no-color              No colours, as with NO_COLOR; there are none in a
                                      pipe.
              --version               Show the version.
              -h, --help              Show help information.

            """#
    )

    static let benchmark = HelpText(
        "benchmark",
        text: #"""
            OVERVIEW: Measure Embark's own speed, on an empty database.

            Makes the schema embark and drops it at the end; a database that has one is
            refused. Compares with pgbench, which has to be installed, in the same minutes.
            scripts/bench runs all of it on a private PostgreSQL. Use a release build. The
            role has to be a superuser: there is a CHECKPOINT before each round.

            engine    steps settled, recorded and enqueued a second, without calls
            chain     1,000 signups of five steps, each a call of 50 ms
            pickup    from an enqueue's commit to the worker, and to the request
            backlog   the engine behind a million waiting signups
            snapshot  the engine while a snapshot is held open for a minute
            enqueue   by function and by COPY, against bare rows
            process   memory, and start to the first request

            EXAMPLES
              embark benchmark --database-url postgresql://localhost/empty
              embark benchmark --only engine --only chain -o json
              embark benchmark --only snapshot --plot snapshot.svg

            USAGE: embark benchmark [--only <only> ...] [--short] [--plot <file>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --only <only>           One measure; several times for several. All of them
                                      when absent.
              --short                 So small that it only shows that it works.
              --plot <file>           Write throughput and latency over time, as SVG.
              --database-url <url>    The database, as a PostgreSQL connection string
                                      (default: EMBARK_DATABASE_URL, then PGHOST and so on).
              -o, --output <output>   table, json or jsonl. (values: table, json, jsonl;
                                      default: table)
              --no-color              No colours, as with NO_COLOR; there are none in a
                                      pipe.
              --version               Show the version.
              -h, --help              Show help information.

            """#
    )

    static let man = HelpText(
        "man",
        text: #"""
            OVERVIEW: Print the manual page embark(1), to read or to install.

            EXAMPLES
              embark man | man -l -
              embark man >/usr/local/share/man/man1/embark.1

            USAGE: embark man [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --database-url <url>    The database, as a PostgreSQL connection string
                                      (default: EMBARK_DATABASE_URL, then PGHOST and so on).
              -o, --output <output>   table, json or jsonl. (values: table, json, jsonl;
                                      default: table)
              --no-color              No colours, as with NO_COLOR; there are none in a
                                      pipe.
              --version               Show the version.
              -h, --help              Show help information.

            """#
    )
}
