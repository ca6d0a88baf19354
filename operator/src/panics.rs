//! What becomes of a panic: it is a defect of this program, and the process begins anew in its own place.
//!
//! Nothing goes on with what a panic left behind, and nothing unwinds: releases are built without the code and the tables
//! for it, a fifth of the binary. To begin anew is what every step outside is made for, as after kill -9. The object whose
//! pass it was is left alone for a while, so that all others get on.

use std::{
    cell::Cell,
    collections::HashMap,
    convert::Infallible,
    io::{self, Write as _},
    panic::PanicHookInfo,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use forkable_core::store::{self, ObjectRef};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::accounts::Fence;

/// Environment variable that hands panics on to the process that begins anew.
const VARIABLE: &str = "FORKABLE_PANICS";
/// Exit code of a process that does not begin anew: what Rust programs end with.
const EXIT: i32 = 101;
/// Panics in [`RECENT`] after which the process ends: to begin anew does not help.
const MOST: usize = 10;
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How long a panic counts against its object, and how many do: an environment variable has an end.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
const KEPT: usize = 100;
/// How long an object is left alone after its first panic; four times as long after each further one, and an hour at most.
const FIRST_REST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(1);

/// How long changes outside that are under way may take to end: what begins anew is to see what came of them.
const PATIENCE: Duration = Duration::from_secs(10);

static BEFORE: OnceLock<HandedOn> = OnceLock::new();
static FENCE: OnceLock<Arc<Fence>> = OnceLock::new();

tokio::task_local! {
    /// Of which object the pass is, and of which generation.
    static PASS: (ObjectRef, Cell<i64>);
}

/// What the process that begins anew has to know.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HandedOn {
    /// What the process calls itself before others.
    identity: String,
    panics: Vec<Panic>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Panic {
    at: Timestamp,
    /// Where in the source. What it said is left out: it may have said anything.
    place: String,
    pass: Option<Pass>,
}

/// Whose pass it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pass {
    kind: String,
    namespace: String,
    name: String,
    /// 0 if it had not been read.
    generation: i64,
}

/// An object whose passes panicked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// How often in the last day.
    pub(crate) panics: u32,
    /// The last time was why this process began anew.
    pub(crate) is_new: bool,
    /// Of which generation the last pass was; 0 if that is not known.
    pub(crate) generation: i64,
    /// Where in the source, the last time.
    pub(crate) place: String,
    pub(crate) until: Timestamp,
}

/// From now on the process begins anew after a panic. Gives what it called itself before, or else `identity`.
pub(crate) fn begin_anew(identity: String) -> String {
    let before = BEFORE.get_or_init(|| {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(HandedOn { identity, panics: Vec::new() })
    });
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if let Some(fence) = FENCE.get() {
            // This thread may be the only one that there is for what is under way: another takes its place.
            tokio::task::block_in_place(|| fence.close(PATIENCE));
        }
        let Err(error) = before.with(Panic::of(panic)).and_then(|next| next.start());
        drop(writeln!(io::stderr(), "error: after a panic: {error}"));
        std::process::exit(EXIT);
    }));
    before.identity.clone()
}

/// A process begins anew once the changes that are under way behind the fence have ended.
pub(crate) fn begin_anew_behind(fence: &Arc<Fence>) {
    drop(FENCE.set(fence.clone()));
}

/// The objects that are to be left alone, each with the time until when.
pub(crate) fn rests() -> HashMap<ObjectRef, Rest> {
    BEFORE.get().map(|before| before.rests(Timestamp::now())).unwrap_or_default()
}

/// A panic in `pass` is one of this object.
pub(crate) async fn of<T>(object: &ObjectRef, pass: impl Future<Output = T>) -> T {
    PASS.scope((object.clone(), Cell::default()), pass).await
}

/// The pass that runs is of this generation of its object.
pub(crate) fn generation(generation: i64) {
    PASS.try_with(|(_, of)| of.set(generation)).ok();
    #[cfg(debug_assertions)]
    PASS.try_with(|(object, _)| on_purpose(object, generation)).ok();
}

/// For tests: passes of the generations of objects panic that the environment names, as `fork/a@1 fork/b@2`.
#[cfg(debug_assertions)]
fn on_purpose(object: &ObjectRef, generation: i64) {
    let this = format!("{object}@{generation}");
    let named = std::env::var("FORKABLE_PANIC_ON").unwrap_or_default();
    assert!(!named.split_whitespace().any(|named| this.ends_with(named)), "as FORKABLE_PANIC_ON says");
}

impl Panic {
    fn of(panic: &PanicHookInfo<'_>) -> Self {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let pass = PASS.try_with(|(object, generation)| Pass {
            kind: object.kind.to_owned(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            generation: generation.get(),
        });
        Self { at: Timestamp::now(), place, pass: pass.ok() }
    }

    /// Not longer ago than that. One in the future is as good as now: clocks are set.
    fn is_within(&self, duration: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(self.at) <= duration
    }
}

impl HandedOn {
    /// With one more panic, unless there were too many.
    fn with(&self, panic: Panic) -> io::Result<Self> {
        let now = panic.at;
        let mut panics = self.panics.clone();
        panics.push(panic);
        panics.retain(|panic| panic.is_within(REMEMBERED, now));
        if panics.iter().filter(|panic| panic.is_within(RECENT, now)).count() > MOST {
            return Err(io::Error::other(format!("more than {MOST} within {RECENT:#}: to begin anew does not help")));
        }
        Ok(Self { identity: self.identity.clone(), panics: panics.split_off(panics.len().saturating_sub(KEPT)) })
    }

    /// Puts a new process of the same program in the place of this one, with the same arguments.
    #[cfg(unix)]
    fn start(&self) -> io::Result<Infallible> {
        use std::os::unix::process::CommandExt as _;
        let mut arguments = std::env::args_os();
        let mut command = Command::new(std::env::current_exe()?);
        command.env(VARIABLE, serde_json::to_string(self)?);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        Err(command.args(arguments).exec())
    }

    #[cfg(not(unix))]
    fn start(&self) -> io::Result<Infallible> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rests(&self, now: Timestamp) -> HashMap<ObjectRef, Rest> {
        let mut rests = HashMap::new();
        let remembered = |(_, panic): &(usize, &Panic)| panic.is_within(REMEMBERED, now);
        for (i, panic) in self.panics.iter().enumerate().filter(remembered) {
            let Some(Pass { kind, namespace, name, generation }) = &panic.pass else { continue };
            let Some(kind) = store::kind(kind) else { continue };
            let rest: &mut Rest = rests.entry(ObjectRef::new(kind, namespace, name)).or_default();
            rest.panics += 1;
            rest.is_new = i + 1 == self.panics.len();
            rest.generation = *generation;
            rest.place.clone_from(&panic.place);
            let length = FIRST_REST.saturating_mul(4_i32.saturating_pow(rest.panics - 1)).min(LONGEST_REST);
            rest.until = panic.at.saturating_add(length).unwrap_or(panic.at);
        }
        rests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn panic(minute: i64, name: &str) -> Panic {
        let pass = Pass { kind: "Fork".into(), namespace: "default".into(), name: name.into(), generation: minute };
        let pass = (!name.is_empty()).then_some(pass);
        Panic { at: at(minute), place: format!("src/x.rs:{minute}:1"), pass }
    }

    fn handed_on(panics: &[(i64, &str)]) -> HandedOn {
        HandedOn { identity: "a".into(), panics: panics.iter().map(|(minute, name)| panic(*minute, name)).collect() }
    }

    #[test]
    fn an_object_rests_longer_after_each_panic_and_an_hour_at_most() {
        let panics = [(0, "a"), (1, "b"), (2, ""), (5, "a"), (30, "a"), (70, "a"), (200, "a")];
        for (count, minutes) in [(1, 1), (2, 1), (4, 5 + 4), (5, 30 + 16), (6, 70 + 60), (7, 200 + 60)] {
            let rests = handed_on(&panics[..count]).rests(at(200));
            let rest = &rests[&ObjectRef::new("Fork", "default", "a")];
            assert_eq!(rest.until, at(minutes), "{count}");
            assert_eq!(rests.len(), if count > 1 { 2 } else { 1 }, "what was nobody's holds nobody up");
        }
        let rest = handed_on(&panics).rests(at(200)).remove(&ObjectRef::new("Fork", "default", "a"));
        let last = Rest { panics: 5, is_new: true, generation: 200, place: "src/x.rs:200:1".into(), until: at(260) };
        assert_eq!(rest, Some(last));
        let rests = handed_on(&panics[..2]).rests(at(1));
        let new = rests.iter().filter(|(_, rest)| rest.is_new).map(|(object, _)| &*object.name);
        assert_eq!(new.collect::<Vec<_>>(), ["b"], "one is why it began anew");
    }

    #[test]
    fn what_is_a_day_old_is_forgotten() {
        let old = handed_on(&[(0, "a"), (1, "b")]);
        assert_eq!(old.rests(at(24 * 60 + 1)).len(), 1);
        let next = old.with(panic(24 * 60 + 1, "c")).expect("there were few");
        assert_eq!((next.panics.len(), &*next.identity), (2, "a"));
        let many = (0..200).try_fold(next, |before, n| before.with(panic(2000 + 2 * n, "d")));
        let many = many.expect("one in two minutes");
        assert_eq!((many.panics.len(), &*many.panics[99].place), (100, "src/x.rs:2398:1"));
    }

    #[test]
    fn a_process_that_panics_all_the_time_ends() {
        let mut before = HandedOn::default();
        for minute in 0..10 {
            before = before.with(panic(minute, "")).expect("there were ten at most");
        }
        let error = before.with(panic(10, "")).expect_err("eleven in ten minutes");
        assert!(error.to_string().contains("does not help"), "{error}");
        assert!(before.with(panic(11, "")).is_ok(), "the first is longer ago");
    }
}
