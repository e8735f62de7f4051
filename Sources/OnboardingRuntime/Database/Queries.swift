/// The Swift side of each file in sql/queries: its parameters in order, and the row that it returns.
///
/// A test prepares every one against a migrated database and compares both.
package import Postgres
import SQL

package enum Queries {
    // Migrating
    static let lockMigrations = Statement<NoRow>(SQL.lockMigrations)
    static let listMigrations = Statement<AppliedMigration>(SQL.listMigrations)
    static let digestTexts = Statement<Single<String>, [String]>(SQL.digestTexts)
    static let recordMigration = Statement<NoRow, Int32, String, String>(SQL.recordMigration)

    // The installation
    static let readInstallation = Statement<InstallationRow>(SQL.readInstallation)
    static let writeInstallation = Statement<
        NoRow, String, String, String?, String?, String?, [String], String, Bool
    >(SQL.writeInstallation)

    // Signups
    static let enqueueSignup = Statement<
        Single<Int64>, String?, String?, String?, String?, String?, String?, String?, String?, String?, String?,
        String?,
        String?, String?, String?, String?
    >(SQL.enqueueSignup)
    static let enqueueJSON = Statement<EnqueuedLine, JSONText>(SQL.enqueueJSON)
    static let listSignups = Statement<
        ListedSignup, String?, String?, String?, String?, String?, Double?, Timestamp?, Double?, Timestamp?, Int64?,
        Int32
    >(SQL.listSignups)
    static let findSignup = Statement<FoundSignup, Int64?, String?>(SQL.findSignup)
    static let readCredential = Statement<Single<String?>, Int64>(SQL.readCredential)
    static let listAttempts = Statement<ListedAttempt, Int64, Int32>(SQL.listAttempts)

    // Operators
    static let searchSignups = Statement<SignupMatch, Int64?, String>(SQL.searchSignups)
    static let explainSignup = Statement<SignupCardFacts, Int64?, String?>(SQL.explainSignup)
    static let replaySignup = Statement<Single<Int32>, Int64, String?, String?, String?, String, Int32?, String?>(
        SQL.replaySignup
    )
    static let findFailedSignups = Statement<
        FailedSignup, String, String, Double?, Timestamp?, Timestamp?, Timestamp?, Int64?, Int32
    >(SQL.findFailedSignups)
    static let planReplays = Statement<ReplayPlan, [Int64], String?, Bool, String?>(SQL.planReplays)
    static let skipStep = Statement<Single<String>, Int64, String, Int32?>(SQL.skipStep)
    static let readSkipped = Statement<Single<String>, Int64>(SQL.readSkipped)
    static let cancelSignup = Statement<Single<String?>, Int64, String>(SQL.cancelSignup)
    static let resolveEffect = Statement<Single<String>, Int64, Bool, String, Int32?>(SQL.resolveEffect)
    static let snapshot = Statement<Single<JSONText>>(SQL.snapshot)

    // Workers
    static let registerWorker = Statement<RegisteredWorker, String, Int32, String, [String]>(SQL.registerWorker)
    static let beatWorker = Statement<NoRow, Int64, Bool, Int32, String, Int32, String, [String]>(SQL.beatWorker)
    static let retireWorker = Statement<NoRow, Int64>(SQL.retireWorker)
    static let takePresence = Statement<NoRow, Int32>(SQL.takePresence)
    static let findAbsentWorkers = Statement<Single<Int64>, Int64>(SQL.findAbsentWorkers)
    static let releaseAbsentWorkers = Statement<Single<Int32>, [Int64]>(SQL.releaseAbsentWorkers)
    static let claim = Statement<
        ClaimRow, Int16, Int32, Int64, Int64, [String], [Double], Timestamp?, [String]?, [Double]
    >(SQL.claim)
    static let settle = Statement<
        Lease, Int64Column, Int64Column, Int32Column, TextColumn, Int32Column, TextColumn, DoubleColumn,
        Int32Column, TextColumn, TextColumn, TextColumn,
        TextColumn, DoubleColumn, DoubleColumn, BoolColumn, Int64Column, TextColumn, TextColumn, TextColumn, TextColumn,
        TextColumn, DoubleColumn, TextColumn, TextColumn, TextColumn, TextColumn, TextColumn, TextColumn, Int64
    >(SQL.settle)
    static let recordLate = Statement<
        Single<Int64>, Int64Column, Int64Column, Int32Column, TextColumn, Int32Column, DoubleColumn, Int32Column,
        TextColumn, TextColumn, TextColumn,
        TextColumn, DoubleColumn, TextColumn, TextColumn, TextColumn, TextColumn, TextColumn, Int64
    >(SQL.recordLate)
    static let findSettled = Statement<Lease, [Int64], [Int64]>(SQL.findSettled)
    static let giveBack = Statement<Single<Int64>, [Int64], [Int64], Double, Bool>(SQL.giveBack)
    static let hasJobs = Statement<Single<Bool>>(SQL.hasJobs)
    static let numberOutcomes = Statement<Single<Int32>, Int32>(SQL.numberOutcomes)
    static let deleteOldAttempts = Statement<Single<Int32>, Int32, Int32>(SQL.deleteOldAttempts)

    // Before a call leaves
    static let sealPIN = Statement<Single<String>, Int64, String>(SQL.sealPIN)
    static let markSent = Statement<Lease, [Int64], [Int64]>(SQL.markSent)
    static let unmarkSent = Statement<NoRow, Int64, Int64>(SQL.unmarkSent)
    static let readCreditShare = Statement<RecordedShare, String>(SQL.readCreditShare)
    static let reserveCreditShare = Statement<Single<Int64>, Int64, Int64, String, Bool>(SQL.reserveCreditShare)
    static let withdrawRegisterCall = Statement<Single<Int64>, Int64, String, Int64>(
        SQL.withdrawRegisterCall
    )
    static let deleteOldThrottles = Statement<Single<Int32>, Int32>(SQL.deleteOldThrottles)
    static let withdrawCreditShare = Statement<NoRow, Int64, String, Bool>(SQL.withdrawCreditShare)
    static let lockPhone = Statement<NoRow, String>(SQL.lockPhone)
    static let countRegisterCall = Statement<CountedCall, Int64, Int64, String, Int32, Int32, Double>(
        SQL.countRegisterCall
    )
    static let eraseCode = Statement<Single<Int64>, Int64, Int64>(SQL.eraseCode)

    // Pauses
    static let pauseScope = Statement<Single<Double>, String, Double, Bool, String, Bool>(SQL.pauseScope)
    static let listThrottles = Statement<ThrottleRow, Int32>(SQL.listThrottles)
    static let failDeadCodes = Statement<DeadCodes, Bool, Int32>(SQL.failDeadCodes)
    static let setPause = Statement<Single<Double>, String, Double, String>(SQL.setPause)
    static let endPause = Statement<Single<Bool>, String, String>(SQL.endPause)
    static let mendSignup = Statement<Single<String>, Int64, String?, String?, String, String?>(SQL.mendSignup)

    // Sealing keys
    static let countSealed = Statement<SealedCount, Int64, Int32>(SQL.countSealed)
    static let listKeyHolders = Statement<KeyHolder, Int32>(SQL.listKeyHolders)
    static let readSealed = Statement<SealedRow, Int64, Int32>(SQL.readSealed)
    static let reseal = Statement<Single<Int32>, [Int64], TextColumn, TextColumn, TextColumn, TextColumn>(SQL.reseal)

    // embark doctor
    static let inspectServer = Statement<ServerFacts>(SQL.inspectServer)
    static let inspectTokens = Statement<EndingTokens, Int32, Int32, Int32>(SQL.inspectTokens)
    static let inspectRoles = Statement<RoleFacts>(SQL.inspectRoles)
    static let inspectRights = Statement<MissingRight>(SQL.inspectRights)
    static let inspectFunctions = Statement<FunctionFacts>(SQL.inspectFunctions)
    static let inspectSecrets = Statement<Single<String>>(SQL.inspectSecrets)
    static let inspectLogging = Statement<LoggingFacts>(SQL.inspectLogging)
    static let pinSearchPath = Statement<Single<String>>(SQL.pinSearchPath)
    static let inspectCatalogue = Statement<CatalogueObject>(SQL.inspectCatalogue)
    static let inspectSight = Statement<Single<String>>(SQL.inspectSight)
    static let inspectSnapshots = Statement<HeldSnapshot, Int32>(SQL.inspectSnapshots)
    static let inspectVacuum = Statement<VacuumFacts>(SQL.inspectVacuum)
    static let inspectQueue = Statement<OverdueJobs, Double, Int32>(SQL.inspectQueue)
    static let inspectWorkers = Statement<WorkerVersion, Double>(SQL.inspectWorkers)
    static let inspectKeyIDs = Statement<NeededKey, Int32>(SQL.inspectKeyIDs)

    /// Every statement as what the server must agree to: for the test that asks it.
    package static let shapes: [StatementShape] = [
        StatementShape(lockMigrations), StatementShape(listMigrations), StatementShape(digestTexts),
        StatementShape(recordMigration),
        StatementShape(readInstallation), StatementShape(writeInstallation),
        StatementShape(enqueueSignup), StatementShape(enqueueJSON), StatementShape(listSignups),
        StatementShape(findSignup), StatementShape(readCredential), StatementShape(listAttempts),
        StatementShape(searchSignups), StatementShape(explainSignup), StatementShape(replaySignup),
        StatementShape(findFailedSignups), StatementShape(planReplays), StatementShape(skipStep),
        StatementShape(readSkipped),
        StatementShape(cancelSignup),
        StatementShape(resolveEffect),
        StatementShape(snapshot),
        StatementShape(registerWorker), StatementShape(beatWorker), StatementShape(retireWorker),
        StatementShape(takePresence), StatementShape(findAbsentWorkers), StatementShape(releaseAbsentWorkers),
        StatementShape(claim), StatementShape(settle), StatementShape(recordLate), StatementShape(findSettled),
        StatementShape(giveBack), StatementShape(hasJobs), StatementShape(numberOutcomes),
        StatementShape(deleteOldAttempts),
        StatementShape(sealPIN), StatementShape(markSent), StatementShape(unmarkSent),
        StatementShape(readCreditShare), StatementShape(reserveCreditShare), StatementShape(withdrawCreditShare),
        StatementShape(withdrawRegisterCall), StatementShape(deleteOldThrottles),
        StatementShape(lockPhone),
        StatementShape(countRegisterCall), StatementShape(eraseCode),
        StatementShape(pauseScope), StatementShape(listThrottles), StatementShape(failDeadCodes),
        StatementShape(setPause), StatementShape(endPause), StatementShape(mendSignup), StatementShape(inspectTokens),
        StatementShape(countSealed), StatementShape(listKeyHolders), StatementShape(readSealed), StatementShape(reseal),
        StatementShape(inspectServer), StatementShape(inspectRoles), StatementShape(inspectRights),
        StatementShape(inspectFunctions),
        StatementShape(inspectSecrets), StatementShape(inspectLogging), StatementShape(pinSearchPath),
        StatementShape(inspectCatalogue), StatementShape(inspectSight), StatementShape(inspectSnapshots),
        StatementShape(inspectVacuum), StatementShape(inspectQueue), StatementShape(inspectWorkers),
        StatementShape(inspectKeyIDs),
    ]
}

/// A statement without its Swift types.
package struct StatementShape: Sendable {
    package let name: String
    package let sql: String
    package let parameterTypes: [PostgresType]
    package let columnTypes: [PostgresType]

    init<Row, each Parameter>(_ statement: Statement<Row, repeat each Parameter>) {
        name = statement.name
        sql = statement.sql
        parameterTypes = statement.parameterTypes
        columnTypes = statement.columnTypes
    }
}

extension Statement {
    /// The prepared statement has the file's name, so errors and the server's own views lead to the file.
    fileprivate init(_ file: SQL.File) {
        self.init(file.name, file.text)
    }
}
