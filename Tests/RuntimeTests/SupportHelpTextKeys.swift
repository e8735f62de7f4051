/// The help of `embark key` and what is below it, at 80 columns.

extension HelpText {
    static let key = HelpText(
        "key",
        text: #"""
            OVERVIEW: The sealing key ring.

            USAGE: embark key <subcommand>

            OPTIONS:
              --version               Show the version.
              -h, --help              Show help information.

            SUBCOMMANDS:
              new                     Print a new key set for EMBARK_SEALING_KEYS.
              list                    Show the keys, what each has sealed, and which
                                      workers have it.
              rotate                  Go from one sealing key to the next, while workers
                                      run.

              See 'embark help key <subcommand>' for detailed help.
            """#
    )

    static let keyNew = HelpText(
        "key",
        "new",
        text: #"""
            OVERVIEW: Print a new key set for EMBARK_SEALING_KEYS.

            A JWK Set with one random 256-bit key. Keep it where you keep secrets: without
            it, sealed tokens and PINs cannot be opened again.

            EXAMPLES
              embark key new > sealing-keys.json
              export EMBARK_SEALING_KEYS_FILE=$PWD/sealing-keys.json

            USAGE: embark key new [--id <id>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --id <id>               The key's id, its kid (default: today's date).
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

    static let keyList = HelpText(
        "key",
        "list",
        text: #"""
            OVERVIEW: Show the keys, what each has sealed, and which workers have it.

            Counts tokens and PINs by the key that their headers name; the values stay in
            the database. With the key ring in EMBARK_SEALING_KEYS or its file it also
            says which key seals, which ones open, and which are missing. Needs the role
            embark_operator, embark_reader or embark_worker.

            EXAMPLES
              embark key list
              EMBARK_SEALING_KEYS_FILE=sealing-keys.json embark key list
              embark key list -o json

            USAGE: embark key list [--database-url <url>] [--output <output>] [--no-color]

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

    static let keyRotate = HelpText(
        "key",
        "rotate",
        text: #"""
            OVERVIEW: Go from one sealing key to the next, while workers run.

            Workers read the ring when they start, so a rotation is four steps; between
            them give every worker the new ring and restart it, one after the other:

              1  embark key rotate --add             a new key: all can open with it
              2  embark key rotate --promote KEY     it seals from now on
              3  embark key rotate                   reseal what other keys have sealed
              4  embark key rotate --drop OLD        the old key leaves the ring

            Each step is refused while it would harm: before every live worker has the
            key, and while a value or a worker still needs the old one. Resealing may be
            interrupted and run again; exit 0 says that every value was opened and is
            under the first key. Steps 3 and 4 need the role embark_worker.

            No step can see a worker that is started later with an old copy of the ring:
            before step 4 there must be none left. What it sealed with the dropped key
            opens again once that key is back in the ring.

            The ring is read from --keys, else as a worker reads it. One from a file is
            replaced in its place; else the new one goes to standard output.

            EXAMPLES
              embark key rotate --add --keys sealing-keys.json
              embark key rotate --promote 2026-12-01 --keys sealing-keys.json
              embark key rotate --keys sealing-keys.json
              embark key rotate --drop 2026-11-01 --keys sealing-keys.json
              embark key rotate --add --keys - <old.json >new.json

            USAGE: embark key rotate [--add] [--id <id>] [--promote <key>] [--drop <key>] [--keys <file>] [--database-url <url>] [--output <output>] [--no-color]

            OPTIONS:
              --add                   Add a new key to the end of the ring.
              --id <id>               The new key's id, its kid (default: today's date).
              --promote <key>         Put this key first: it seals.
              --drop <key>            Take this key out of the ring.
              --keys <file>           The ring's file, or - for standard input.
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
