/// The index of this folder: every SQL text that the program sends, embedded in the binary and named once.
///
/// A test compares the index with the folder, so that a file that nobody listed is found.
public enum SQL {
    /// One file of the folder.
    public struct File: Sendable {
        /// The file's name without `.sql`.
        public let name: String
        public let text: String

        init(_ name: String, _ bytes: [UInt8]) {
            self.name = name
            self.text = String(decoding: bytes, as: UTF8.self)
        }
    }

    /// In the order in which they are applied. A file that has been released is never altered, renamed or removed.
    public static let migrations = [
        File("m0001_tables", PackageResources.m0001_tables_sql),
        File("m0002_enqueue", PackageResources.m0002_enqueue_sql),
        File("m0003_inbox", PackageResources.m0003_inbox_sql),
        File("m0004_outcomes", PackageResources.m0004_outcomes_sql),
        File("m0005_worker", PackageResources.m0005_worker_sql),
        File("m0006_operators", PackageResources.m0006_operators_sql),
        File("m0007_engine", PackageResources.m0007_engine_sql),
        File("m0008_throttles", PackageResources.m0008_throttles_sql),
        File("m0009_replay", PackageResources.m0009_replay_sql),
        File("m0010_keys", PackageResources.m0010_keys_sql),
    ]

    /// Every object that the migrations make, with a digest of its definition. scripts/catalogue writes it.
    public static let catalogue = File("catalogue", PackageResources.catalogue_txt)

    /// Roles, schema and migration history: a script of its own, run before each migration round.
    public static let prepareDatabase = File("prepare_database", PackageResources.prepare_database_sql)

    // Migrating
    public static let lockMigrations = File("lock_migrations", PackageResources.lock_migrations_sql)
    public static let listMigrations = File("list_migrations", PackageResources.list_migrations_sql)
    public static let digestTexts = File("digest_texts", PackageResources.digest_texts_sql)
    public static let recordMigration = File("record_migration", PackageResources.record_migration_sql)

    // The installation
    public static let readInstallation = File("read_installation", PackageResources.read_installation_sql)
    public static let writeInstallation = File("write_installation", PackageResources.write_installation_sql)

    // Signups
    public static let enqueueSignup = File("enqueue_signup", PackageResources.enqueue_signup_sql)
    public static let enqueueJSON = File("enqueue_json", PackageResources.enqueue_json_sql)
    public static let listSignups = File("list_signups", PackageResources.list_signups_sql)
    public static let findSignup = File("find_signup", PackageResources.find_signup_sql)
    public static let readCredential = File("read_credential", PackageResources.read_credential_sql)
    public static let listAttempts = File("list_attempts", PackageResources.list_attempts_sql)

    // Operators
    public static let searchSignups = File("search_signups", PackageResources.search_signups_sql)
    public static let explainSignup = File("explain_signup", PackageResources.explain_signup_sql)
    public static let replaySignup = File("replay_signup", PackageResources.replay_signup_sql)
    public static let findFailedSignups = File("find_failed_signups", PackageResources.find_failed_signups_sql)
    public static let planReplays = File("plan_replays", PackageResources.plan_replays_sql)
    public static let skipStep = File("skip_step", PackageResources.skip_step_sql)
    public static let readSkipped = File("read_skipped", PackageResources.read_skipped_sql)
    public static let cancelSignup = File("cancel_signup", PackageResources.cancel_signup_sql)
    public static let resolveEffect = File("resolve_effect", PackageResources.resolve_effect_sql)
    public static let snapshot = File("snapshot", PackageResources.snapshot_sql)

    // Workers
    public static let registerWorker = File("register_worker", PackageResources.register_worker_sql)
    public static let beatWorker = File("beat_worker", PackageResources.beat_worker_sql)
    public static let retireWorker = File("retire_worker", PackageResources.retire_worker_sql)
    public static let claim = File("claim", PackageResources.claim_sql)
    public static let settle = File("settle", PackageResources.settle_sql)
    public static let recordLate = File("record_late", PackageResources.record_late_sql)
    public static let findSettled = File("find_settled", PackageResources.find_settled_sql)
    public static let takePresence = File("take_presence", PackageResources.take_presence_sql)
    public static let findAbsentWorkers = File("find_absent_workers", PackageResources.find_absent_workers_sql)
    public static let releaseAbsentWorkers = File(
        "release_absent_workers",
        PackageResources.release_absent_workers_sql
    )
    public static let deleteOldAttempts = File("delete_old_attempts", PackageResources.delete_old_attempts_sql)
    public static let giveBack = File("give_back", PackageResources.give_back_sql)
    public static let hasJobs = File("has_jobs", PackageResources.has_jobs_sql)
    public static let numberOutcomes = File("number_outcomes", PackageResources.number_outcomes_sql)

    // Before a call leaves
    public static let sealPIN = File("seal_pin", PackageResources.seal_pin_sql)
    public static let markSent = File("mark_sent", PackageResources.mark_sent_sql)
    public static let unmarkSent = File("unmark_sent", PackageResources.unmark_sent_sql)
    public static let readCreditShare = File("read_credit_share", PackageResources.read_credit_share_sql)
    public static let reserveCreditShare = File("reserve_credit_share", PackageResources.reserve_credit_share_sql)
    public static let withdrawRegisterCall = File(
        "withdraw_register_call",
        PackageResources.withdraw_register_call_sql
    )
    public static let deleteOldThrottles = File("delete_old_throttles", PackageResources.delete_old_throttles_sql)
    public static let withdrawCreditShare = File("withdraw_credit_share", PackageResources.withdraw_credit_share_sql)
    public static let lockPhone = File("lock_phone", PackageResources.lock_phone_sql)
    public static let countRegisterCall = File("count_register_call", PackageResources.count_register_call_sql)
    public static let eraseCode = File("erase_code", PackageResources.erase_code_sql)

    // Pauses
    public static let pauseScope = File("pause_scope", PackageResources.pause_scope_sql)
    public static let listThrottles = File("list_throttles", PackageResources.list_throttles_sql)
    public static let failDeadCodes = File("fail_dead_codes", PackageResources.fail_dead_codes_sql)
    public static let setPause = File("set_pause", PackageResources.set_pause_sql)
    public static let endPause = File("end_pause", PackageResources.end_pause_sql)
    public static let mendSignup = File("mend_signup", PackageResources.mend_signup_sql)

    // Sealing keys
    public static let countSealed = File("count_sealed", PackageResources.count_sealed_sql)
    public static let listKeyHolders = File("list_key_holders", PackageResources.list_key_holders_sql)
    public static let readSealed = File("read_sealed", PackageResources.read_sealed_sql)
    public static let reseal = File("reseal", PackageResources.reseal_sql)

    // embark doctor
    public static let inspectServer = File("inspect_server", PackageResources.inspect_server_sql)
    public static let inspectTokens = File("inspect_tokens", PackageResources.inspect_tokens_sql)
    public static let inspectRoles = File("inspect_roles", PackageResources.inspect_roles_sql)
    public static let inspectFunctions = File("inspect_functions", PackageResources.inspect_functions_sql)
    public static let inspectRights = File("inspect_rights", PackageResources.inspect_rights_sql)
    public static let inspectSecrets = File("inspect_secrets", PackageResources.inspect_secrets_sql)
    public static let inspectLogging = File("inspect_logging", PackageResources.inspect_logging_sql)
    public static let pinSearchPath = File("pin_search_path", PackageResources.pin_search_path_sql)
    public static let inspectCatalogue = File("inspect_catalogue", PackageResources.inspect_catalogue_sql)
    public static let inspectSight = File("inspect_sight", PackageResources.inspect_sight_sql)
    public static let inspectSnapshots = File("inspect_snapshots", PackageResources.inspect_snapshots_sql)
    public static let inspectVacuum = File("inspect_vacuum", PackageResources.inspect_vacuum_sql)
    public static let inspectQueue = File("inspect_queue", PackageResources.inspect_queue_sql)
    public static let inspectWorkers = File("inspect_workers", PackageResources.inspect_workers_sql)
    public static let inspectKeyIDs = File("inspect_key_ids", PackageResources.inspect_key_ids_sql)

    public static let queries = [
        prepareDatabase, lockMigrations, listMigrations, digestTexts, recordMigration,
        readInstallation, writeInstallation,
        enqueueSignup, enqueueJSON, listSignups, findSignup, readCredential, listAttempts,
        searchSignups, explainSignup, replaySignup, findFailedSignups, planReplays, skipStep, readSkipped,
        cancelSignup,
        resolveEffect,
        snapshot,
        registerWorker, beatWorker, retireWorker, takePresence, findAbsentWorkers, releaseAbsentWorkers,
        claim, settle, recordLate, findSettled, giveBack, hasJobs, numberOutcomes, deleteOldAttempts,
        sealPIN, markSent, unmarkSent, readCreditShare, reserveCreditShare, withdrawCreditShare, withdrawRegisterCall,
        deleteOldThrottles, lockPhone,
        countRegisterCall, eraseCode,
        pauseScope, listThrottles, failDeadCodes, setPause, endPause, mendSignup, inspectTokens,
        countSealed, listKeyHolders, readSealed, reseal,
        inspectServer, inspectRoles, inspectRights, inspectFunctions, inspectSecrets, inspectLogging,
        pinSearchPath, inspectCatalogue, inspectSight, inspectSnapshots, inspectVacuum, inspectQueue, inspectWorkers,
        inspectKeyIDs,
    ]
}
