/// The help of each command at 80 columns, for CommandHelpTests.
import Testing

struct HelpText: Sendable, CustomTestStringConvertible {
    let command: [String]
    let text: String

    var testDescription: String { (["embark"] + command).joined(separator: " ") }

    static let all = [
        main, migrate, configure, doctor, signup, signupAdd, signupList, signupShow, signupToken, why, errors, replay,
        skip, cancel, resolve, pause, resume, top, health, key, keyNew, keyList, keyRotate, worker, graphSimulator,
        benchmark, man,
    ]

    init(_ command: String..., text: String) {
        self.command = command
        self.text = text
    }
}

extension HelpText {
    static let main = HelpText(
        text: #"""
            OVERVIEW: Finishes WhatsApp Business onboardings after Embedded Signup,
            durably.

            Signups are rows in PostgreSQL. Set up a database once:

              embark migrate --database-url postgresql://localhost/embark
              embark configure --app-id 1234567890 --credit-line-id 1111111111

            Every command takes --database-url, or EMBARK_DATABASE_URL, or libpq's own
            PGHOST, PGDATABASE and so on; -o json or jsonl for programs; and --help with
            examples.

            Exit codes: 0 ok, 1 failed or not ready, 2 refused, 3 no such thing, 64 usage,
            69 database unreachable, 78 bad configuration.

            USAGE: embark <subcommand>

            OPTIONS:
              --version               Show the version.
              -h, --help              Show help information.

            SUBCOMMANDS:
              migrate                 Make or upgrade the schema and the roles.
              configure               Say what SQL and every worker must agree on; without
                                      flags, print it.
              worker                  Work signups off.
              signup                  Enqueue signups and look at them.
              why                     Say why a signup stopped, whose move it is, and what
                                      to do next.
              errors                  Explain Meta's error codes, and Embark's own.
              replay                  Let failed signups go on, from where they failed or
                                      earlier.
              skip                    Leave out the step at which a signup failed.
              cancel                  Give a running or failed signup up, for good.
              resolve                 Say whether an uncertain call had its effect.
              pause                   Keep all workers from calling a part of Graph for a
                                      while.
              resume                  End a pause: an operator's, or one that Meta's limits
                                      have set.
              top                     Show states, failures, jobs, throughput and workers.
              key                     The sealing key ring.
              doctor                  Say what is wrong with the set-up, each with its
                                      remedy.
              health                  Ask this machine's worker whether it is alive, or
                                      takes work.
              graph-simulator         A Graph API of our own, for development and tests.
              benchmark               Measure Embark's own speed, on an empty database.

              See 'embark help <subcommand>' for detailed help.
            """#
    )

    static let migrate = HelpText(
        "migrate",
        text: #"""
            OVERVIEW: Make or upgrade the schema and the roles.

            Applies what is outstanding, in order, each migration in a transaction of its
            own. Safe to repeat, to run in several places at once, and to kill. An applied
            migration that has been altered since is a hard stop (exit 2).

            EXAMPLES
              embark migrate --database-url postgresql://localhost/embark
              embark migrate --check      exit 1 when something is outstanding
              embark migrate --plan       print the SQL, for review or for psql

            USAGE: embark migrate [--check] [--plan] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --check                 Change nothing; exit 1 when a migration is
                                      outstanding.
              --plan                  Change nothing; print the SQL that would run.
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

    static let configure = HelpText(
        "configure",
        text: #"""
            OVERVIEW: Say what SQL and every worker must agree on; without flags, print it.

            What is not given stays as it is. A signup keeps the plan that it was enqueued
            with: a change concerns later ones.

            EXAMPLES
              embark configure --app-id 1234567890 --credit-line-id 1111111111 \
                               --system-user-id 2222222222
              embark configure --partner-mode tech-provider --app-id 1234567890
              embark configure --currencies USD,EUR
              embark configure -o json

            USAGE: embark configure [--partner-mode <partner-mode>] [--app-id <app-id>] [--credit-line-id <credit-line-id>] [--system-user-id <system-user-id>] [--business-id <business-id>] [--currencies <currencies>] [--credit-method <credit-method>] [--verify-grant] [--no-verify-grant] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --partner-mode <partner-mode>
                                      solution-partner or tech-provider.
              --app-id <app-id>       The app that Embedded Signup runs under.
              --credit-line-id <credit-line-id>
                                      The credit line that a solution partner shares.
              --system-user-id <system-user-id>
                                      Our system user, to be given access to each account.
              --business-id <business-id>
                                      Our own business portfolio.
              --currencies <currencies>
                                      Currencies in which the credit line may be shared,
                                      separated by commas.
              --credit-method <credit-method>
                                      share-and-attach, or share-then-attach (two calls).
              --verify-grant/--no-verify-grant
                                      Ask Graph what was granted before anything else (the
                                      default).
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

    static let doctor = HelpText(
        "doctor",
        text: #"""
            OVERVIEW: Say what is wrong with the set-up, each with its remedy.

            Looks at the database and the way to it, the schema and whether anybody altered
            it, roles and their rights, the server's log settings, what keeps it from
            cleaning up, pauses, tokens, jobs that nobody claims, workers, the sealing
            keys, and Graph. Changes nothing. What it knows of a worker's settings comes
            from the environment: run it where workers run. Exit 1 when something FAILs, 69
            when the database cannot be reached.

            EXAMPLES
              embark doctor
              embark doctor -o jsonl | jq 'select(.level != "OK")'

            USAGE: embark doctor [--database-url <url>] [--output <output>] [--no-color]

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

    static let signup = HelpText(
        "signup",
        text: #"""
            OVERVIEW: Enqueue signups and look at them.

            USAGE: embark signup <subcommand>

            OPTIONS:
              --version               Show the version.
              -h, --help              Show help information.

            SUBCOMMANDS:
              add                     Enqueue one signup from flags, or many from JSON
                                      lines.
              list                    List signups, newest first.
              show                    Show one signup, its plan and its latest attempts.
              token                   Open a signup's sealed business token and print it.

              See 'embark help signup <subcommand>' for detailed help.
            """#
    )

    static let signupAdd = HelpText(
        "signup",
        "add",
        text: #"""
            OVERVIEW: Enqueue one signup from flags, or many from JSON lines.

            The fields and their rules are those of embark.enqueue_signup. A code lives 30
            seconds from when Meta issued it. An argument can be seen by every user of the
            machine while the command runs: give the code and the PIN as - to have them
            read from standard input, a line each, the code first.

            With --json-lines each line is an object with the fields as keys, of at most
            1 MiB, and is enqueued on its own: a bad line is reported by its number and
            leaves the others alone (exit 2 at the end). With an external_id in each line
            it is safe to run again.

            EXAMPLES
              printf '%s\n' "$CODE" | embark signup add --code - --currency USD \
                  --waba-id 102290129340398 --external-id acme-7731
              embark signup add --json-lines signups.jsonl
              jq -c '.[]' signups.json | embark signup add --json-lines - -o jsonl

            USAGE: embark signup add <options>

            OPTIONS:
              --code <code>           The popup's code; - reads it from standard input.
              --waba-id <waba-id>     The customer's account.
              --phone-number-id <phone-number-id>
                                      The customer's number.
              --business-id <business-id>
                                      The customer's business portfolio.
              --currency <currency>   The currency in which the credit line is shared.
              --external-id <external-id>
                                      Your own key: the same one twice is one signup.
              --flow <flow>           cloud_api (the default), only_waba, coexistence or
                                      api_access_only.
              --pin <pin>             The number's PIN; - reads it from standard input.
                                      Made when absent.
              --test-recipient <test-recipient>
                                      Sends a test message there: +16505551234.
              --test-message <test-message>
                                      The text of the test message.
              --code-issued-at <code-issued-at>
                                      When Meta issued the code, ISO 8601 (default: now).
              --redirect-uri <redirect-uri>
                                      Only for codes of the redirect dialog.
              --data-localization-region <data-localization-region>
                                      A country code such as DE.
              --webhook-override <webhook-override>
                                      JSON: override_callback_uri and verify_token.
              --metadata <metadata>   A JSON object that every outcome gives back.
              --json-lines <file>     Reads signups from a file, one JSON object a line; -
                                      is standard input.
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

    static let signupList = HelpText(
        "signup",
        "list",
        text: #"""
            OVERVIEW: List signups, newest first.

            A time is a length before now (90s, 15m, 24h, 3d) or ISO 8601, in UTC unless it
            names a zone. It is compared with when a signup's state last changed: when it
            was enqueued or replayed, or ended.

            EXAMPLES
              embark signup list
              embark signup list --state failed --waiting-on operator --since 24h
              embark signup list --step register_phone --error-code 133005
              embark signup list --since 2026-11-25T09:00Z --until 2026-11-25T10:30Z
              embark signup list --after 4711        the page behind signup 4711
              embark signup list -o jsonl | jq -r 'select(.generation > 1) | .id'

            USAGE: embark signup list [--state <state>] [--waiting-on <waiting-on>] [--step <step>] [--error-code <code>] [--waba <id>] [--since <time>] [--until <time>] [--after <id>] [--limit <limit>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --state <state>         running, completed, failed or cancelled. (values:
                                      running, completed, failed, cancelled)
              --waiting-on <waiting-on>
                                      customer or operator. (values: customer, operator)
              --step <step>           Where it is, or where it stopped. (values:
                                      exchange_code, verify_grant, subscribe_app,
                                      assign_system_user, share_credit_line,
                                      register_phone, sync_contacts, sync_history,
                                      send_test_message)
              --error-code <code>     Such as 133005 or code_expired.
              --waba <id>             The customer's account.
              --since <time>          Whose state changed then or later: 24h, 2026-11-25.
              --until <time>          Whose state changed before then.
              --after <id>            The page behind this signup.
              --limit <limit>         How many, 1 to 10000. (default: 50)
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

    static let signupShow = HelpText(
        "signup",
        "show",
        text: #"""
            OVERVIEW: Show one signup, its plan and its latest attempts.

            EXAMPLES
              embark signup show 4711
              embark signup show acme-7731
              embark signup show 4711 -o json | jq .state

            USAGE: embark signup show <signup> [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <signup>                The signup's id or its external id.

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

    static let why = HelpText(
        "why",
        text: #"""
            OVERVIEW: Say why a signup stopped, whose move it is, and what to do next.

            One screen: what Meta said, what that means, what is done so far, whether a
            replay is safe, and the next command, ready to paste.

            Takes whatever an alert, a log or a customer names: a signup's id, its external
            id, its account (WABA), its number, or the fbtrace id of a call that failed
            (Meta names no other). Where a word could be several of them the first in this
            order counts. Of several signups the one that failed last is shown, with the
            others under it.

            EXAMPLES
              embark why 4711
              embark why acme-7731
              embark why 102290129340398                   the account, or the number
              embark why AbCdEfGhIjKlMnOpQrStUv            an fbtrace id
              embark why 4711 -o json | jq -r '.next[]'

            USAGE: embark why <anything> [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <anything>              An id, an external id, a WABA, a phone number id or
                                      an fbtrace id.

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

    static let replay = HelpText(
        "replay",
        text: #"""
            OVERVIEW: Let failed signups go on, from where they failed or earlier.

            Keeps all history and starts a new generation. Prints first what is done, what
            will run, and what is left of the number's register calls. What cannot work is
            refused with what to do instead (exit 2), also in a dry run; one of many that
            is refused, or at which the database fails (exit 1), leaves the others alone,
            and each has a result. An argument can be seen by every user of
            the machine while the command runs: give the code and the PIN as - to have
            them read from standard input, a line each, the code first.

            A filter takes the signups that failed at one step with one error code, those
            that failed longest ago first. More than one signup is asked for on a terminal,
            and needs --yes elsewhere (exit 64). One that somebody else has replayed since
            its plan was made is refused.

            EXAMPLES
              embark replay 4711 --reason "Meta's outage is over"
              embark replay 4711 --pin - --reason "customer told us the PIN"
              embark replay acme-7731 --from exchange_code --code -
              embark replay 4711 --phone-number-id 106540352242922
              embark replay 4711 4712 acme-7731 --dry-run
              embark replay --state failed --step register_phone --error-code 131000 \
                --since 24h --rate 5/s --reason "Meta's outage is over"

            USAGE: embark replay [<options>] [<signups> ...]

            ARGUMENTS:
              <signups>               The signups, by id or external id.

            FILTER:
              --state <state>         failed: only a failed signup can be replayed.
              --step <step>           The step at which they failed.
              --error-code <code>     What they failed with, as why says it.
              --since <time>          They failed at most so long ago (90m, 24h, 7d), or
                                      since a time (2026-11-25T08:00:00Z).
              --max <count>           At most so many, those that failed first (default:
                                      1000).

            OPTIONS:
              --from <step>           The step to begin with (default: the one that failed).
              --code <code>           A new code of the customer's; - reads it from
                                      standard input.
              --pin <pin>             Another PIN; - reads it from standard input.
              --phone-number-id <id>  The number that is meant.
              --currency <code>       The currency to share the credit line in.
              --rate <count/unit>     At most so many in a time: 5/s, 100/m.
              --dry-run               Only say what would be done.
              --yes                   Do not ask.
              --reason <reason>       Why, for the audit.
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

    static let signupToken = HelpText(
        "signup",
        "token",
        text: #"""
            OVERVIEW: Open a signup's sealed business token and print it.

            Prints the token and a line end, and nothing but it: give it to a program, not
            to a screen. Needs the role embark_token_reader, and the key ring that sealed
            it in EMBARK_SEALING_KEYS or the file that EMBARK_SEALING_KEYS_FILE names.
            Other programs do the same with embark.credential(signup_id) and any JOSE
            library.

            EXAMPLES
              embark signup token 4711 | your-program
              EMBARK_SEALING_KEYS_FILE=keys.json embark signup token 4711

            USAGE: embark signup token <signup> [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <signup>                The signup's id.

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

    static let errors = HelpText(
        "errors",
        text: #"""
            OVERVIEW: Explain Meta's error codes, and Embark's own.

            The table that workers decide by and that "embark why" quotes. Needs no
            database.

            EXAMPLES
              embark errors 133005
              embark errors 100/36007
              embark errors -o jsonl | jq -r .means
              embark errors --markdown >errors.md

            USAGE: embark errors [<code>] [--markdown] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <code>                  One code; all of them when absent.

            OPTIONS:
              --markdown              As a Markdown table, for a handbook.
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

    static let pause = HelpText(
        "pause",
        text: #"""
            OVERVIEW: Keep all workers from calling a part of Graph for a while.

            The same pauses as those that Meta's limits set by themselves. Jobs that
            meet one wait for its end; no attempt is charged. A scope is one of:

              app         everything: no job is claimed
              system      what our system user's token is for; exchanges go on
              credit      sharing the credit line
              waba:ID     one account
              phone:ID    one number

            EXAMPLES
              embark pause system --for 30m --reason "the token is being renewed"
              embark pause waba:102290129340398 --for 2h --reason "they asked us to wait"

            USAGE: embark pause <scope> --for <time> [--reason <reason>] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <scope>                 app, system, credit, waba:ID or phone:ID.

            OPTIONS:
              --for <time>            How long: 90s, 15m, 2h or 3d.
              --reason <reason>       Why, for the audit.
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

    static let resume = HelpText(
        "resume",
        text: #"""
            OVERVIEW: End a pause: an operator's, or one that Meta's limits have set.

            What was put off because of it is due at once. To call Graph before the
            end that Meta named lengthens the block: do it when you know better, as
            after the renewal of a token.

            EXAMPLES
              embark resume system --reason "the token is renewed"
              embark resume waba:102290129340398

            USAGE: embark resume <scope> [--reason <reason>] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <scope>                 app, system, credit, waba:ID or phone:ID.

            OPTIONS:
              --reason <reason>       Why, for the audit.
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

    static let skip = HelpText(
        "skip",
        text: #"""
            OVERVIEW: Leave out the step at which a signup failed.

            For a step that has been done otherwise, or is not needed: the signup goes on
            behind it, as a new generation. Nothing is checked: what the step was for is
            your word. The exchange cannot be skipped; an uncertain effect is resolved. One
            that somebody else has let go on meanwhile is refused.

            EXAMPLES
              embark skip 4711 --reason "the number is registered in WhatsApp Manager"
              embark skip acme-7731 --reason "the customer pays by card"

            USAGE: embark skip <signup> [--reason <reason>] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <signup>                The signup's id or its external id.

            OPTIONS:
              --reason <reason>       Why, for the audit.
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

    static let cancel = HelpText(
        "cancel",
        text: #"""
            OVERVIEW: Give a running or failed signup up, for good.

            Its job is deleted, its code erased, and upstream reads signup.cancelled. A
            call that is on its way moves nothing any more; what it tells is kept. What
            Meta has done stays done: a shared credit line is to be taken back by hand. It
            cannot be undone: the customer begins anew, with a new signup.

            EXAMPLES
              embark cancel 4711 --reason "the customer has changed their mind"
              embark cancel acme-7731 --reason "enqueued twice"

            USAGE: embark cancel <signup> [--reason <reason>] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <signup>                The signup's id or its external id.

            OPTIONS:
              --reason <reason>       Why, for the audit.
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

    static let resolve = HelpText(
        "resolve",
        text: #"""
            OVERVIEW: Say whether an uncertain call had its effect.

            For a signup that failed with effect_uncertain, once you have looked in Meta's
            Business Manager. If the effect happened, the step is done and the signup goes
            on behind it; if not, the step runs again. For a completed signup with the
            warning test_message_uncertain only the warning is set right. A signup that
            failed with credit_share_elsewhere takes the share over with --did-not-happen,
            once the signup that had it has ended, is not uncertain itself, and has sent
            nothing for two minutes. One that somebody else has let go on meanwhile is
            refused.

            EXAMPLES
              embark resolve 4711 --happened --reason "the line is on the account"
              embark resolve acme-7731 --did-not-happen --reason "no line there"

            USAGE: embark resolve <signup> --happened --did-not-happen [--reason <reason>] [--database-url <url>] [--output <output>] [--no-color]

            ARGUMENTS:
              <signup>                The signup's id or its external id.

            OPTIONS:
              --happened              The effect is there.
              --did-not-happen        It is not there.
              --reason <reason>       Why, for the audit.
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

    static let top = HelpText(
        "top",
        text: #"""
            OVERVIEW: Show states, failures, jobs, throughput and workers.

            On a terminal it is shown anew every 2 seconds until q or Ctrl-C, and stays
            when the database goes away; with --once, in a pipe and as JSON it is shown
            once. Counts end at 10,000, those of a minute at 100,000, to stay quick.

            EXAMPLES
              embark top
              embark top --once
              embark top --once -o json | jq '.jobs[] | select(.oldest_due_seconds > 60)'

            USAGE: embark top [--once] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --once                  Show one snapshot and end.
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

    static let health = HelpText(
        "health",
        text: #"""
            OVERVIEW: Ask this machine's worker whether it is alive, or takes work.

            Exit 0 when it is, 1 when it is not or when no worker answers. A worker that
            drains, or whose database is away, is alive and not ready. At the default
            address, which gives way when it is taken, the next ports are asked as well.

            EXAMPLES
              embark health
              embark health --ready
              embark health --listen 127.0.0.1:9465
              embark health --ready -o json | jq -r '.found[]'

            USAGE: embark health [--ready] [--listen <host:port>] [--timeout <seconds>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --ready                 Whether it takes work, with what it found.
              --listen <host:port>    Where the worker listens (default: EMBARK_LISTEN,
                                      127.0.0.1:9464).
              --timeout <seconds>     How long it may take, 0.1 to 60. (default: 2.0)
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
