/// The lease protocol as a small model: one job whose call must not be repeated, two workers that may die, freeze or be cut
/// off at any moment, a server that may crash. Small enough for every reachable state to be looked at.
///
/// Time is a step that anyone may take (`leaseEnds`), a frozen worker is one that takes no step for long: so every late
/// result is among the orders that are tried.
struct LeaseModel: Hashable {
    /// What the protocol rests on. The tests switch them off one by one.
    enum Rule: CaseIterable {
        /// A result moves the job only under the lease that it was claimed with.
        case resultsAreFenced
        /// So with the permission to call.
        case callsAreFenced
        /// Before a call leaves, it is on record that it may have.
        case callsAreMarked
        /// A lease's id is its worker's and never comes twice; else it is the job's own count of claims.
        case leasesAreUnique
    }

    typealias Rules = Set<Rule>

    struct Row: Hashable {
        var lease: Int?
        var worker: Int?
        var sent = false
        var isDue = true
        var claims = 0
    }

    enum Phase: Hashable {
        case idle
        case claimed(lease: Int)
        /// The call may leave now.
        case permitted(lease: Int)
        /// It had its effect, and the answer says so.
        case answered(lease: Int)
        /// It may have had its effect: no answer came, or an earlier worker was interrupted behind its mark.
        case doubtful(lease: Int)
        case dead
    }

    struct Worker: Hashable {
        var id: Int
        var phase = Phase.idle
        /// Its lock is held. A cut connection frees the lock of a worker that lives.
        var isPresent = true
    }

    enum Ending: Hashable { case done, uncertain }

    enum Action: Hashable {
        case claim(Int)
        case permit(Int)
        /// The call reaches Graph, and its answer arrives or does not.
        case call(Int)
        case callWithoutAnswer(Int)
        /// The call provably never left.
        case withdraw(Int)
        /// Settled with "again later", without a call.
        case putOff(Int)
        case settle(Int)
        case giveBack(Int)
        case kill(Int)
        case start(Int)
        case cutOff(Int)
        case reconnect(Int)
        case releaseAbsent
        case leaseEnds
        /// A claim commits without waiting for the disk: a crash may undo it.
        case serverCrash
    }

    static let claimsMax = 4
    static let deathsMax = 2

    /// The job; nil once the step has been settled for good.
    var row: Row? = Row()
    /// The job before a claim that no later commit has flushed.
    var beforeUnflushedClaim: Row?
    var workers = [Worker(id: 1), Worker(id: 2)]
    var claims = 0
    var deaths = 0
    var effects = 0
    var endings: [Ending] = []

    /// All that can happen next, with what comes of it.
    func successors(_ rules: Rules) -> [(Action, LeaseModel)] {
        let actions: [Action] =
            workers.indices.flatMap { w -> [Action] in
                [
                    .claim(w), .permit(w), .call(w), .callWithoutAnswer(w), .withdraw(w), .putOff(w), .settle(w),
                    .giveBack(w), .kill(w), .start(w), .cutOff(w), .reconnect(w),
                ]
            } + [.releaseAbsent, .leaseEnds, .serverCrash]
        return actions.compactMap { action in after(action, rules).map { (action, $0) } }
    }

    /// nil when the action cannot be taken here.
    func after(_ action: Action, _ rules: Rules) -> LeaseModel? {
        var next = self
        switch action {
        case .claim(let w): return next.claim(w, rules) ? next : nil
        case .permit(let w):
            guard case .claimed(let lease) = workers[w].phase else { return nil }
            let holds = row.map { !$0.isDue && $0.lease == lease } ?? false
            if holds || (!rules.contains(.callsAreFenced) && row != nil) {
                if rules.contains(.callsAreMarked) { next.write { $0.sent = true } }
                next.workers[w].phase = .permitted(lease: lease)
            } else {
                next.workers[w].phase = .idle
            }
        case .call(let w):
            guard case .permitted(let lease) = workers[w].phase else { return nil }
            next.effects += 1
            next.workers[w].phase = .answered(lease: lease)
        case .callWithoutAnswer(let w):
            guard case .permitted(let lease) = workers[w].phase else { return nil }
            next.effects += 1
            next.workers[w].phase = .doubtful(lease: lease)
        case .withdraw(let w):
            guard case .permitted(let lease) = workers[w].phase else { return nil }
            if row?.lease == lease { next.write { $0.sent = false } }
            next.workers[w].phase = .claimed(lease: lease)
        case .putOff(let w):
            guard case .claimed(let lease) = workers[w].phase else { return nil }
            next.settle(w, lease, nil, rules)
        case .settle(let w):
            switch workers[w].phase {
            case .answered(let lease): next.settle(w, lease, .done, rules)
            case .doubtful(let lease): next.settle(w, lease, .uncertain, rules)
            case .idle, .claimed, .permitted, .dead: return nil
            }
        case .giveBack(let w):
            guard case .claimed(let lease) = workers[w].phase else { return nil }
            if let row, row.lease == lease, !row.sent { next.write { $0.free() } }
            next.workers[w].phase = .idle
        case .kill, .start, .cutOff, .reconnect:
            return next.live(action) ? next : nil
        case .releaseAbsent:
            let present = Set(workers.filter(\.isPresent).map(\.id))
            guard let row, let worker = row.worker, !present.contains(worker), !row.sent, !row.isDue else { return nil }
            next.write { $0.isDue = true }
        case .leaseEnds:
            guard let row, !row.isDue else { return nil }
            next.row?.isDue = true
        case .serverCrash:
            guard let before = beforeUnflushedClaim else { return nil }
            next.row = before
            next.beforeUnflushedClaim = nil
        }
        return next
    }

    /// The first promise that does not hold here, or nil.
    var brokenPromise: String? {
        if effects > 1 { return "the effect happened twice" }
        if endings.count > 1 { return "the step was settled twice" }
        if endings.contains(.done), effects == 0 { return "it was settled as done and nothing had happened" }
        if (row == nil) != !endings.isEmpty { return "the job was lost" }
        return nil
    }

    // MARK: The statements

    private mutating func claim(_ w: Int, _ rules: Rules) -> Bool {
        guard workers[w].phase == .idle, let row, row.isDue, claims < Self.claimsMax else { return false }
        claims += 1
        let lease = rules.contains(.leasesAreUnique) ? claims : row.claims + 1
        beforeUnflushedClaim = row
        self.row = Row(lease: lease, worker: workers[w].id, sent: row.sent, isDue: false, claims: row.claims + 1)
        workers[w].phase = row.sent ? .doubtful(lease: lease) : .claimed(lease: lease)
        return true
    }

    private mutating func settle(_ w: Int, _ lease: Int, _ ending: Ending?, _ rules: Rules) {
        workers[w].phase = .idle
        guard let row, row.lease == lease || !rules.contains(.resultsAreFenced) else { return }
        if let ending {
            self.row = nil
            beforeUnflushedClaim = nil
            endings.append(ending)
        } else {
            write { $0.free() }
        }
    }

    /// A commit that waits for the disk, and flushes with it what came before.
    private mutating func write(_ change: (inout Row) -> Void) {
        guard row != nil else { return }
        change(&row!)
        beforeUnflushedClaim = nil
    }

    private mutating func live(_ action: Action) -> Bool {
        switch action {
        case .kill(let w):
            guard workers[w].phase != .dead, deaths < Self.deathsMax else { return false }
            deaths += 1
            workers[w].phase = .dead
            workers[w].isPresent = false
        case .start(let w):
            guard workers[w].phase == .dead else { return false }
            workers[w] = Worker(id: workers.map(\.id).max()! + 1)
        case .cutOff(let w):
            guard workers[w].phase != .dead, workers[w].isPresent else { return false }
            workers[w].isPresent = false
        case .reconnect(let w):
            guard workers[w].phase != .dead, !workers[w].isPresent else { return false }
            workers[w].isPresent = true
        default:
            return false
        }
        return true
    }
}

extension LeaseModel.Row {
    mutating func free() {
        lease = nil
        worker = nil
        sent = false
        isDue = true
    }
}

/// Every state that can be reached, breadth first: so the way to a broken promise is a shortest one.
struct LeaseStates {
    private(set) var edges: [(from: LeaseModel, action: LeaseModel.Action, to: LeaseModel)] = []
    private(set) var states: [LeaseModel] = []
    /// How a promise was broken, as the actions that lead there.
    private(set) var counterexample: (promise: String, actions: [LeaseModel.Action])?

    /// Stops at the first broken promise.
    init(_ rules: LeaseModel.Rules) {
        let start = LeaseModel()
        var reachedBy: [LeaseModel: (from: LeaseModel, action: LeaseModel.Action)] = [:]
        var seen: Set<LeaseModel> = [start]
        states = [start]
        var index = 0
        while index < states.count {
            let state = states[index]
            index += 1
            if let promise = state.brokenPromise {
                var actions: [LeaseModel.Action] = []
                var at = state
                while let (before, action) = reachedBy[at] {
                    actions.insert(action, at: 0)
                    at = before
                }
                counterexample = (promise, actions)
                return
            }
            for (action, next) in state.successors(rules) {
                edges.append((state, action, next))
                if seen.insert(next).inserted {
                    reachedBy[next] = (state, action)
                    states.append(next)
                }
            }
        }
    }

    /// States from which no ending can be reached any more, but for those that are out of claims: the model's own bound.
    var hopeless: [LeaseModel] {
        var before: [LeaseModel: [LeaseModel]] = [:]
        for edge in edges { before[edge.to, default: []].append(edge.from) }
        var open = states.filter { !$0.endings.isEmpty }
        var hopeful = Set(open)
        while let state = open.popLast() {
            for earlier in before[state] ?? [] where hopeful.insert(earlier).inserted { open.append(earlier) }
        }
        return states.filter { $0.claims < LeaseModel.claimsMax && !hopeful.contains($0) }
    }
}
