//! Releases under random events, faults and restarts, held against a model of the provider.

use std::collections::BTreeMap;

use super::{
    Build, Call, Check, Decision, Event, Gates, Marks, Migration, Moving, Phase, Run, Seen, Terms, Turn, Wish, decide,
    turn,
};

/// Seeds that every run of the tests goes through; `FORKABLE_SEEDS` asks for more.
const SEEDS: u64 = 200;
/// Random things that happen before everything calms down.
const CHAOS: usize = 1000;
/// Passes of every release after that, within which all must be over.
const CALM: usize = 60;

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// One release, as its object and the people around it know it.
#[derive(Clone, Debug)]
struct Release {
    marks: Marks,
    terms: Terms,
    /// What served when its promotion was intended.
    previous: Option<usize>,
    gates: Gates,
    verification: Check,
    approved: bool,
    bake: Check,
    /// Steps of a canary; 0: it is no canary.
    steps: u8,
    watch: Check,
    wish: Option<Wish>,
    /// A rollback was refused for good.
    refused: bool,
}

/// A build at the provider; its index is that of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Ready,
    Failed,
    Canceled,
}

/// Domains being led somewhere.
#[derive(Clone, Copy, Debug)]
struct Request {
    to: usize,
    is_rollback: bool,
    /// `None`: it is under way.
    succeeded: Option<bool>,
}

/// Visitors being split between what serves and a canary.
#[derive(Clone, Copy, Debug)]
struct Split {
    canary: usize,
    /// From 1.
    step: u8,
}

#[derive(Debug, Default)]
struct Provider {
    split: Option<Split>,
    /// The release whose steps the project has.
    steps_of: Option<usize>,
    builds: BTreeMap<usize, State>,
    production: Option<usize>,
    request: Option<Request>,
    /// Whether a push would go live by itself.
    assigns: bool,
    built: BTreeMap<usize, u32>,
    promoted: BTreeMap<usize, u32>,
    runs: BTreeMap<usize, State>,
    /// Asked for a moment ago, so that no list tells of it yet.
    hidden: Option<usize>,
    migrated: BTreeMap<usize, u32>,
}

struct World {
    dice: Dice,
    releases: Vec<Release>,
    provider: Provider,
    replace: bool,
    calm: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let replace = dice.one_in(2);
        Self { dice, releases: Vec::new(), provider: Provider::default(), replace, calm: false }
    }

    fn phases(&self) -> Vec<Phase> {
        self.releases.iter().map(|release| release.marks.phase()).collect()
    }

    fn seen(&self, index: usize) -> Seen {
        let release = &self.releases[index];
        let provider = &self.provider;
        let build = match provider.builds.get(&index) {
            None => Build::Absent,
            Some(State::Running) => Build::Running,
            Some(State::Ready) => Build::Ready,
            Some(State::Failed | State::Canceled) => Build::Failed,
        };
        let own = provider.split.filter(|split| split.canary == index);
        let moving = match provider.request {
            _ if provider.split.is_some() && own.is_none() => Moving::Somewhere,
            Some(Request { succeeded: None, .. }) => Moving::Somewhere,
            Some(Request { to, succeeded: Some(false), is_rollback: false }) if to == index => Moving::PromotionFailed,
            Some(Request { to, succeeded: Some(false), is_rollback: true }) if Some(to) == release.previous => {
                Moving::RollbackFailed
            }
            _ if release.refused => Moving::RollbackFailed,
            _ => Moving::Nothing,
        };
        Seen {
            turn: turn(&self.phases(), index, self.replace),
            gates: release.gates,
            build,
            verification: release.verification,
            approved: release.approved,
            migration: match provider.runs.get(&index) {
                _ if provider.hidden == Some(index) => Run::Unknown,
                None => Run::Absent,
                Some(State::Running) => Run::Running,
                Some(State::Ready) => Run::Passed,
                Some(State::Failed | State::Canceled) => Run::Failed,
            },
            serves: provider.production == Some(index) || own.is_some(),
            has_previous: release.previous.is_some(),
            moving,
            step: own.map(|split| split.step),
            watch: release.watch,
            bake: release.bake,
            wish: release.wish,
        }
    }

    /// A pass that may end anywhere, as one that is killed does.
    fn pass(&mut self, index: usize) {
        let before = self.phases();
        let release = self.releases[index].clone();
        match decide(release.marks, release.terms, &self.seen(index)) {
            Decision::Wait => {}
            Decision::Make(call) => self.call(index, call),
            Decision::Go(row) => {
                let serves = self.provider.production == Some(index);
                assert!(row.event != Event::RollbackAsked || serves, "only what serves is rolled back");
                if let Some(call) = row.first {
                    if self.dies() {
                        return;
                    }
                    self.call(index, call);
                    let removes = matches!(call, Call::RestoreAssignment | Call::RemoveSteps);
                    let failed = call == Call::RestoreAssignment && self.provider.assigns;
                    if failed || (removes && self.provider.steps_of == Some(index)) {
                        return; // The call failed, so that nothing is put on record.
                    }
                }
                if self.dies() {
                    return;
                }
                if row.to == Phase::RollingBack && release.terms.migration == Some(Migration::Irreversible) {
                    assert!(release.wish.is_some(), "only a person leads back behind an irreversible migration");
                }
                match row.to {
                    Phase::Promoting => self.releases[index].previous = self.provider.production,
                    Phase::Shifting => self.releases[index].watch = Check::Running,
                    _ => {}
                }
                self.releases[index].marks = release.marks.after(row);
                assert_eq!(self.releases[index].marks.phase(), row.to, "{row:?} leads where it says");
                if let Some(call) = row.to.call()
                    && row.first.is_none()
                    && !self.dies()
                    && decide(self.releases[index].marks, release.terms, &self.seen(index)) == Decision::Make(call)
                {
                    self.call(index, call);
                }
            }
        }
        self.check(&before, index);
    }

    fn dies(&mut self) -> bool {
        !self.calm && self.dice.one_in(6)
    }

    /// A call that may get lost on its way, or whose answer may.
    fn call(&mut self, index: usize, call: Call) {
        if !self.calm && self.dice.one_in(5) {
            return;
        }
        let Release { previous, steps, marks, .. } = self.releases[index];
        let provider = &mut self.provider;
        let split = provider.split;
        let is_busy = provider.request.is_some_and(|request| request.succeeded.is_none())
            || split.is_some_and(|split| split.canary != index);
        match call {
            Call::Build => {
                *provider.built.entry(index).or_default() += 1;
                provider.builds.insert(index, State::Running);
            }
            Call::CancelBuild => {
                if let Some(state) = provider.builds.get_mut(&index).filter(|state| **state == State::Running) {
                    *state = State::Canceled;
                }
            }
            Call::Migrate => {
                *provider.migrated.entry(index).or_default() += 1;
                provider.runs.insert(index, State::Running);
                provider.hidden = Some(index).filter(|_| !self.calm && self.dice.one_in(2));
            }
            Call::CancelMigration => {
                if let Some(state) = provider.runs.get_mut(&index).filter(|state| **state == State::Running) {
                    *state = State::Canceled;
                }
            }
            Call::RestoreAssignment => {
                provider.assigns = false;
                provider.steps_of = None;
            }
            Call::RemoveSteps => provider.steps_of = None,
            Call::Promote if is_busy || split.is_some() || provider.production == Some(index) => {}
            Call::Promote if steps > 0 && provider.production.is_some() => {
                *provider.promoted.entry(index).or_default() += 1;
                assert_eq!(provider.builds.get(&index), Some(&State::Ready), "only what is built is promoted");
                provider.steps_of = Some(index);
                provider.split = Some(Split { canary: index, step: 1 });
            }
            Call::Advance => {
                let Some(split) = &mut provider.split else { return };
                let wanted = marks.step.expect("it is at a step");
                assert_eq!(split.step + 1, wanted, "no step is skipped or gone through twice");
                split.step = wanted;
                if wanted > steps {
                    provider.split = None;
                    provider.production = Some(index);
                    provider.assigns = true;
                }
            }
            Call::Promote => {
                *provider.promoted.entry(index).or_default() += 1;
                assert_eq!(provider.builds.get(&index), Some(&State::Ready), "only what is built is promoted");
                provider.request = Some(Request { to: index, is_rollback: false, succeeded: None });
            }
            Call::RollBack if is_busy => {}
            Call::RollBack => {
                let to = previous.expect("a rollback leads somewhere");
                if !self.calm && self.dice.one_in(8) {
                    self.releases[index].refused = true;
                    return;
                }
                provider.split = None;
                provider.request = Some(Request { to, is_rollback: true, succeeded: None });
            }
        }
    }

    /// The provider goes on by itself.
    fn provide(&mut self) {
        let fails = !self.calm && self.dice.one_in(5);
        self.provider.hidden = None;
        let jobs = self.provider.builds.iter_mut().chain(&mut self.provider.runs);
        let running = jobs.into_iter().find(|(_, state)| **state == State::Running);
        if let Some((_, state)) = running {
            *state = if fails { State::Failed } else { State::Ready };
        }
        if let Some(request) = &mut self.provider.request
            && request.succeeded.is_none()
        {
            request.succeeded = Some(!fails);
            if !fails {
                self.provider.production = Some(request.to);
                self.provider.assigns = !request.is_rollback;
            }
        }
    }

    /// People and checks.
    fn happen(&mut self) {
        let automatic_rollback = !self.dice.one_in(4);
        let steps = if self.dice.one_in(2) { u8::try_from(self.dice.roll(4)).expect("small") } else { 0 };
        let migration = match self.dice.roll(4) {
            0 => Some(Migration::Reversible),
            // Refused for canaries.
            1 if steps == 0 => Some(Migration::Irreversible),
            _ => None,
        };
        if self.releases.len() < 8 && self.dice.one_in(12) {
            self.releases.push(Release {
                marks: Marks::default(),
                terms: Terms { automatic_rollback, migration },
                previous: None,
                gates: Gates::Closed,
                verification: Check::Running,
                approved: false,
                bake: Check::Running,
                steps,
                watch: Check::Running,
                wish: None,
                refused: false,
            });
        }
        let count = self.releases.len() as u64;
        if count == 0 {
            return;
        }
        let index = usize::try_from(self.dice.roll(count)).expect("small");
        let check = |fails| if fails { Check::Failed } else { Check::Passed };
        let (verification, bake) = (check(self.dice.one_in(6)), check(self.dice.one_in(2)));
        let watch = check(self.dice.one_in(5));
        let gates = match self.dice.roll(16) {
            0 => Gates::TimedOut,
            1..6 => Gates::Closed,
            _ => Gates::Open,
        };
        let choice = self.dice.roll(12);
        let wishes = self.dice.one_in(8);
        let phase = self.releases[index].marks.phase();
        let release = &mut self.releases[index];
        match choice {
            0..3 => release.gates = gates,
            3..5 if phase == Phase::Verifying => release.verification = verification,
            5..7 => release.approved = true,
            7..9 if phase == Phase::Baking => release.bake = bake,
            3..9 if phase == Phase::Shifting => release.watch = watch,
            9 if wishes => release.wish = Some(Wish::Abort),
            10 if phase == Phase::Frozen && wishes => release.wish = Some(Wish::Thaw),
            10..12 if wishes || phase == Phase::Healthy => release.wish = Some(Wish::RollBack),
            _ => {}
        }
    }

    fn check(&self, before: &[Phase], index: usize) {
        let phases = self.phases();
        let moves = phases.iter().filter(|phase| phase.moves_production()).count();
        assert!(moves <= 1, "two releases move production at once: {phases:?}");
        let (was, is) = (before[index], phases[index]);
        assert!(was == is || super::TABLE.iter().any(|row| row.phase == was && row.to == is), "{was:?} → {is:?}");
        for (index, count) in &self.provider.built {
            assert!(*count <= 1, "release {index} was built {count} times");
        }
        for (index, count) in &self.provider.migrated {
            assert!(*count <= 1, "release {index} was migrated {count} times");
        }
        for (index, count) in &self.provider.promoted {
            assert!(*count <= 1, "release {index} was promoted {count} times");
        }
    }

    fn check_production(&self, served: &mut bool) {
        *served |= self.provider.production.is_some();
        let Some(index) = self.provider.production else {
            assert!(!*served, "nothing serves any more");
            return;
        };
        assert_eq!(self.provider.builds.get(&index), Some(&State::Ready), "what serves is built");
        let release = &self.releases[index];
        assert!(release.marks.verified && release.approved, "what serves was verified and approved: {release:?}");
        let migrated = self.provider.runs.get(&index) == Some(&State::Ready);
        assert!(release.terms.migration.is_none() || migrated, "what serves was migrated: {release:?}");
        assert!(!release.marks.aborted, "what serves was not aborted before it was promoted: {release:?}");
    }

    fn chaos(&mut self) {
        let mut served = false;
        for _ in 0..CHAOS {
            match self.dice.roll(4) {
                0 => self.provide(),
                1 => self.happen(),
                _ if self.releases.is_empty() => {}
                _ => {
                    let count = self.releases.len() as u64;
                    let index = usize::try_from(self.dice.roll(count)).expect("small");
                    self.pass(index);
                }
            }
            self.check_production(&mut served);
        }
    }

    /// Everything answers, all gates open, all checks pass: everything must be over soon.
    fn calm_down(&mut self) {
        self.calm = true;
        for release in &mut self.releases {
            release.gates = Gates::Open;
            release.approved = true;
            for check in [&mut release.verification, &mut release.bake] {
                if *check == Check::Running {
                    *check = Check::Passed;
                }
            }
        }
        for _ in 0..CALM {
            self.provide();
            // A rollback was refused for good: a person acts at the provider.
            self.provider.split.take_if(|split| self.releases[split.canary].marks.phase().is_over());
            for release in self.releases.iter_mut().filter(|release| release.watch == Check::Running) {
                release.watch = Check::Passed;
            }
            (0..self.releases.len()).for_each(|index| self.pass(index));
            // Only a person lets newer ones go on.
            for release in self.releases.iter_mut().filter(|release| release.marks.phase() == Phase::Frozen) {
                release.wish = Some(Wish::Thaw);
            }
        }
        let phases = self.phases();
        assert!(phases.iter().all(|phase| phase.is_over()), "not all are over: {phases:?}");
        for (index, release) in self.releases.iter().enumerate() {
            if release.marks.rolled_back {
                assert_ne!(self.provider.production, Some(index), "what was rolled back does not serve");
            }
            if release.marks.phase() == Phase::Healthy {
                assert!(self.provider.promoted.contains_key(&index), "what is healthy was promoted");
            }
        }
        for (index, release) in self.releases.iter().enumerate() {
            assert_ne!(turn(&phases, index, self.replace), Turn::Waits, "{release:?} waits for ever");
        }
        // Whatever moved production last left automatic assignment off, unless it ended badly halfway.
        let ended_well = |phase: &Phase| matches!(phase, Phase::Healthy | Phase::RolledBack);
        if phases.iter().all(ended_well) {
            assert!(!self.provider.assigns, "a push would go live by itself");
        }
        assert_eq!(self.provider.steps_of, None, "steps are left behind");
    }
}

#[test]
fn releases_keep_their_promises_under_random_events() {
    let seeds = std::env::var("FORKABLE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.chaos();
            world.calm_down();
            world.phases()
        });
        match run {
            Ok(phases) => phases.iter().for_each(|phase| *ends.entry(phase.name()).or_default() += 1),
            Err(panic) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seeds} seeds ended in {ends:?}");
    for end in ["Healthy", "RolledBack", "Aborted", "Failed"] {
        assert!(ends.contains_key(end), "no seed ended in {end}");
    }
}
