//! kill -9 at every point of every call: no duplicate, no orphan, nobody needed.
//!
//! The points are not written by hand: a scenario is run once undisturbed, and the request log of that run says
//! which calls there are. Then, for each call, the process is killed before the call is carried out, after it was
//! committed but not answered, and after it was answered but before anything about it could be stored.

use std::{collections::BTreeMap, time::Duration};

use forkable_tests::{Call, Running, World, eventually, reference_fork, updated_fork, within};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process gets to take in an answer while it can store nothing.
const TAKEN_IN: Duration = Duration::from_secs(5);
/// How long a process gets to act upon an answer while it can store nothing. No cell depends on what it does then.
const LEEWAY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The call arrived and is not carried out.
    Before,
    /// It was carried out, and the answer never arrives.
    Committed,
    /// It was answered while the store takes no writes.
    Answered,
}

const POINTS: [Point; 3] = [Point::Before, Point::Committed, Point::Answered];

/// Which call, as the sandbox matches it, and where in it.
#[derive(Clone, Debug)]
struct Cell {
    call: Value,
    point: Point,
}

/// What is done to a world that has converged; `Create` and `CreateTwo` begin with nothing at all.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    Create,
    CreateTwo,
    Update,
    Delete,
    Archive,
}

impl Scenario {
    /// A world in which the next `up` has just this scenario to do.
    async fn prepare(self) -> World {
        let world = World::with_reference_fork().await;
        let policy = if matches!(self, Self::Archive) { "Archive" } else { "Delete" };
        world.edit("acme.yaml", "  release:\n", &format!("  deletionPolicy: {policy}\n  release:\n"));
        match self {
            Self::Create => {}
            Self::CreateTwo => {
                let other = reference_fork().replace("acme", "globex").replace("owner: globex-inc", "owner: acme-inc");
                world.write("globex.yaml", &other.replace("{ name: globex, key", "{ name: acme, key"));
            }
            Self::Update => {
                world.converge().await;
                let manifest = std::fs::read_to_string(world.path("acme.yaml")).expect("it is there");
                world.write("acme.yaml", &updated_fork(manifest));
            }
            Self::Delete | Self::Archive => {
                world.converge().await;
                std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
                let output = world.run(&["delete", "acme", "--dir", "."]).await;
                assert_eq!(output.code, Some(0), "{}", output.stderr);
            }
        }
        world.forget_calls().await;
        world
    }

    /// Every call of an undisturbed run at every point. Two forks at once take turns as they like, so that a call is
    /// known by its position alone: each position at one point, all points in turn.
    fn cells(self, calls: &[Call]) -> Vec<Cell> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut cells = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let nth = seen.entry(&call.operation).or_default();
            *nth += 1;
            if matches!(self, Self::CreateTwo) {
                cells.push(Cell { call: json!({ "nth": index + 1 }), point: POINTS[index % POINTS.len()] });
            } else if !(call.is_poll() && *nth > 1) {
                // How often a build is looked at is up to chance.
                let call = json!({ "operation": call.operation, "nth": nth });
                cells.extend(POINTS.map(|point| Cell { call: call.clone(), point }));
            }
        }
        cells
    }
}

/// Runs the program into the cell and kills it there.
async fn kill_at(world: &World, Cell { call, point }: &Cell) {
    let hold = if *point == Point::Before { "before" } else { "after" };
    let fault = world.fault(json!({ "match": call, "effect": { "hold": hold } })).await;
    let running = Running::start(world.up_command(&["-vv"]));
    eventually(&format!("{call} is held"), PATIENCE, || async { (world.held(fault).await > 0).then_some(()) }).await;
    if *point == Point::Answered {
        let lock = world.lock_store().await;
        world.release(fault).await;
        eventually("the call is let go", PATIENCE, || async { (world.held(fault).await == 0).then_some(()) }).await;
        // A pass that waits for the locked store looks at no answer meanwhile: then it is killed without having seen it.
        let told = async || {
            let answered = world.calls().await.iter().filter(|call| call.status.is_some()).count();
            running.answers() == answered
        };
        if !within(TAKEN_IN, told).await {
            println!("killed before it looked at the answer: {call}");
        }
        let arrived = world.calls().await.len();
        // Either it goes on to the next call, or it stands at the locked store.
        let next = async {
            while world.calls().await.len() <= arrived {
                tokio::task::yield_now().await;
            }
        };
        drop(tokio::time::timeout(LEEWAY, next).await);
        running.kill().await;
        drop(lock);
    } else {
        running.kill().await;
    }
    eventually("the sandbox drops the call", PATIENCE, || async { (world.held(fault).await == 0).then_some(()) }).await;
    let calls = world.calls().await;
    let hit = calls.iter().find(|call| call.fault == Some(fault)).expect("a held call is logged");
    let happened = match point {
        Point::Before => hit.status.is_none() && !hit.committed,
        Point::Committed | Point::Answered => {
            hit.status.is_some_and(|status| status < 500) && (!hit.write || hit.committed || hit.status >= Some(400))
        }
    };
    assert!(happened, "{point:?} did not happen to {hit:?}");
    world.remove_faults().await;
}

/// What the program makes of the world after all, without anybody's help.
async fn end(world: &World) -> Result<Value, String> {
    let output = world.up_once().await;
    if output.code != Some(0) {
        return Err(format!("exit {:?}\n{}\n{}", output.code, output.stdout, output.stderr));
    }
    world.forget_calls().await;
    world.up_once().await;
    let writes = world.writes().await;
    if !writes.is_empty() {
        return Err(format!("not done after converging: {writes:#?}"));
    }
    Ok(world.summary().await)
}

async fn matrix(scenario: Scenario) {
    let began = std::time::Instant::now();
    let prepared = scenario.prepare().await;
    let undisturbed = prepared.copy().await;
    undisturbed.converge().await;
    let calls = undisturbed.calls().await;
    assert!(calls.iter().any(|call| call.write), "{scenario:?} does something");
    let expected = end(&undisturbed).await.expect("the undisturbed run converges");
    let cells = scenario.cells(&calls);
    let count = cells.len();
    let (prepared, expected) = (&prepared, &expected);
    let failures: Vec<String> = stream::iter(cells)
        .map(|cell| async move {
            let world = prepared.copy().await;
            kill_at(&world, &cell).await;
            match end(&world).await {
                Ok(found) if found == *expected => None,
                Ok(found) => Some(format!("{cell:?}: {found:#}\ninstead of {expected:#}")),
                Err(error) => Some(format!("{cell:?}: {error}")),
            }
        })
        .buffer_unordered(4)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    println!("{scenario:?}: {count} cells of {} calls in {:.1?}", calls.len(), began.elapsed());
    assert!(
        failures.is_empty(),
        "{} of {count} cells of {scenario:?} failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn create_survives_kill_9_everywhere() {
    matrix(Scenario::Create).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_survive_kill_9_everywhere() {
    matrix(Scenario::CreateTwo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn update_survives_kill_9_everywhere() {
    matrix(Scenario::Update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_survives_kill_9_everywhere() {
    matrix(Scenario::Delete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_survives_kill_9_everywhere() {
    matrix(Scenario::Archive).await;
}
