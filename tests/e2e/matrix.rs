//! kill -9 at every call and failing writes to the apiserver, while a Fork is made, changed and deleted: it comes to what
//! an undisturbed run comes to, with no duplicate, no orphan, and nobody's help.
//!
//! The cells are not written by hand: an undisturbed run is recorded first. Before a read or after it is the same for
//! everyone but the process, so that reads are one cell each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use forkable_tests::{
    ApiCall, Call, Effect, Namespace, Proxy, Side, is_ready, reference_fork, reference_secret, updated_fork, within,
};
use futures::stream::{self, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};

use crate::installed::{Controller, Installed, PATIENCE};

/// Lanes that run at once.
const AT_ONCE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Create,
    Update,
    Delete,
}

const PHASES: [Phase; 3] = [Phase::Create, Phase::Update, Phase::Delete];

/// What happens at one call.
#[derive(Clone, Debug)]
enum Cell {
    /// A provider's call is held, and the process killed.
    Outside { operation: String, nth: usize, side: Side },
    /// A write to the apiserver is held, and the process killed.
    Inside { operation: String, nth: usize, side: Side },
    /// A write to the apiserver fails.
    Fails { operation: String, nth: usize, effect: Effect },
}

impl Cell {
    fn operation(&self) -> &str {
        let (Self::Outside { operation, .. } | Self::Inside { operation, .. } | Self::Fails { operation, .. }) = self;
        operation
    }
}

/// Calls of a phase that nothing disturbed, and what it came to.
struct Recorded {
    cells: Vec<Cell>,
    writes: BTreeSet<String>,
    summary: Value,
}

fn recorded(outside: &[Call], inside: &[ApiCall], summary: Value) -> Recorded {
    let (mut cells, mut writes) = (Vec::new(), BTreeSet::new());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for call in outside {
        let nth = seen.entry(&call.operation).or_default();
        *nth += 1;
        let cell = |side| Cell::Outside { operation: call.operation.clone(), nth: *nth, side };
        if call.write {
            writes.insert(call.operation.clone());
            cells.extend([Side::Before, Side::After].map(cell));
        } else if *nth == 1 {
            cells.push(cell(Side::After));
        }
    }
    for call in inside.iter().filter(|call| call.write) {
        let nth = seen.entry(&call.operation).or_default();
        *nth += 1;
        let (nth, operation) = (*nth, call.operation.clone());
        writes.insert(operation.clone());
        cells.extend([Side::Before, Side::After].map(|side| Cell::Inside { operation: operation.clone(), nth, side }));
        let mut effects = vec![
            Effect::Answer(500),
            Effect::Answer(409),
            Effect::Answer(429),
            Effect::Cut(Side::Before),
            Effect::Cut(Side::After),
        ];
        if operation == "create deployments" {
            // Until its patience ends.
            effects.push(Effect::Hold(Side::After));
        }
        cells.extend(effects.into_iter().map(|effect| Cell::Fails { operation: operation.clone(), nth, effect }));
    }
    Recorded { cells, writes, summary }
}

/// A Fork in a namespace of its own, with a sandbox of its own, and what works on both.
struct Lane<'a> {
    installed: &'a Installed<'a>,
    space: Namespace<'a>,
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl<'a> Lane<'a> {
    async fn new(installed: &'a Installed<'a>, token: &str, space: Namespace<'a>) -> Self {
        let proxy = installed.space.cluster.proxy().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = proxy.kubeconfig_for(token, &installed.space.name);
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).expect("the folder can be written");
        Self { installed, space, proxy, folder }
    }

    fn start(&self) -> Controller {
        Controller::from(self.installed.start_for(&self.space, self.folder.path(), "24h"))
    }

    async fn put(&self, path: &str, manifest: String) {
        let path = format!("{path}?fieldManager=people&force=true");
        self.space.cluster.send(Method::PATCH, &path, Some(manifest)).await;
    }

    fn path(&self) -> String {
        format!("/apis/forkable.dev/v1alpha1/namespaces/{}/forks/acme", self.space.name)
    }

    /// What a person does.
    async fn begin(&self, phase: Phase) {
        let fork = reference_fork().replace("  release:\n", "  deletionPolicy: Delete\n  release:\n");
        match phase {
            Phase::Create => {
                let secret = format!("/api/v1/namespaces/{}/secrets/acme", self.space.name);
                self.put(&secret, reference_secret()).await;
                self.put(&self.path(), fork).await;
            }
            Phase::Update => self.put(&self.path(), updated_fork(fork)).await,
            Phase::Delete => self.space.cluster.send(Method::DELETE, &self.path(), None).await,
        }
    }

    async fn is_done(&self, phase: Phase) -> bool {
        let fork = self.space.get("forks", "acme").await;
        if phase == Phase::Delete { fork.is_null() } else { is_ready(&fork) }
    }

    async fn arm(&self, cell: &Cell) -> Option<u64> {
        let hold = |side: Side| if side == Side::Before { "before" } else { "after" };
        match cell.clone() {
            Cell::Outside { operation, nth, side } => {
                let matched = json!({ "operation": operation, "nth": nth });
                Some(self.space.world.fault(json!({ "match": matched, "effect": { "hold": hold(side) } })).await)
            }
            Cell::Inside { operation, nth, side } => {
                self.proxy.fault(Some(&operation), nth, Effect::Hold(side));
                None
            }
            Cell::Fails { operation, nth, effect } => {
                self.proxy.fault(Some(&operation), nth, effect);
                None
            }
        }
    }

    async fn is_held(&self, fault: Option<u64>) -> bool {
        match fault {
            Some(id) => self.space.world.held(id).await > 0,
            None => self.proxy.held() > 0,
        }
    }

    /// One phase with what happens in it. Answers whether that met its call.
    async fn run(
        &self,
        phase: Phase,
        cell: Option<&Cell>,
        controller: &mut Option<Controller>,
    ) -> Result<bool, String> {
        let fault = match cell {
            Some(cell) => self.arm(cell).await,
            None => None,
        };
        self.begin(phase).await;
        let running = controller.take().unwrap_or_else(|| self.start());
        let mut met = false;
        if let Some(Cell::Outside { .. } | Cell::Inside { .. }) = cell {
            within(PATIENCE, async || self.is_held(fault).await || self.is_done(phase).await).await;
            met = self.is_held(fault).await;
            if met {
                running.kill().await;
                // Else it would be carried out after all.
                within(PATIENCE, async || !self.is_held(fault).await).await;
                *controller = Some(self.start());
            } else {
                *controller = Some(running);
            }
            self.space.world.remove_faults().await;
            self.proxy.release();
        } else {
            *controller = Some(running);
        }
        if !within(PATIENCE, async || self.is_done(phase).await).await {
            return Err(format!("does not end: {:#}", self.space.get("forks", "acme").await["status"]["conditions"]));
        }
        if let Some(Cell::Fails { .. }) = cell {
            met = self.proxy.was_hit();
            self.proxy.release();
        }
        Ok(met)
    }

    async fn comes_to(&self, expected: &Value) -> Result<(), String> {
        let same = async || self.space.world.summary().await == *expected;
        if within(Duration::from_secs(30), same).await {
            return Ok(());
        }
        let conditions = self.space.get("forks", "acme").await["status"]["conditions"].clone();
        Err(format!("comes to {:#}\ninstead of {expected:#}\n{conditions:#}", self.space.world.summary().await))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_survives_kill_9_at_every_call_and_failing_writes() {
    let began = Instant::now();
    let installed = Installed::new("matrix").await;
    let cluster = installed.space.cluster;
    let token = cluster.token(&installed.space.name, crate::installed::NAME).await;
    let undisturbed = cluster.namespace("life").await;
    installed.serves(&[&undisturbed]).await;
    let undisturbed = Lane::new(&installed, &token, undisturbed).await;
    let (mut life, mut controller) = (Vec::new(), None);
    for phase in PHASES {
        undisturbed.space.world.forget_calls().await;
        undisturbed.proxy.forget_calls();
        undisturbed.run(phase, None, &mut controller).await.expect("the undisturbed run ends");
        let (outside, inside) = (undisturbed.space.world.calls().await, undisturbed.proxy.calls());
        life.push(recorded(&outside, &inside, undisturbed.space.world.summary().await));
    }
    let lanes = life.iter().map(|phase| phase.cells.len()).max().unwrap_or_default();
    assert!(lanes > 40, "{lanes} cells");
    let spaces: Vec<_> = stream::iter(0..lanes).map(|_| cluster.namespace("life")).buffer_unordered(4).collect().await;
    installed.serves(&spaces.iter().collect::<Vec<_>>()).await;
    let (life, installed, token) = (&life, &installed, token.as_str());
    let results: Vec<(Vec<String>, Option<String>)> = stream::iter(spaces.into_iter().enumerate())
        .map(|(index, space)| async move {
            let lane = Lane::new(installed, token, space).await;
            let (mut met, mut controller) = (Vec::new(), None);
            for (phase, recorded) in PHASES.into_iter().zip(life) {
                let cell = recorded.cells.get(index);
                let ended = match lane.run(phase, cell, &mut controller).await {
                    Ok(was_met) => {
                        met.extend(cell.filter(|_| was_met).map(|cell| format!("{phase:?} {}", cell.operation())));
                        lane.comes_to(&recorded.summary).await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    return (met, Some(format!("{phase:?} with {cell:?} {error}")));
                }
            }
            (met, None)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let met: Vec<&String> = results.iter().flat_map(|(met, _)| met).collect();
    let cells: usize = life.iter().map(|phase| phase.cells.len()).sum();
    println!("{} of {cells} cells met their call, in {lanes} lives and {:.1?}", met.len(), began.elapsed());
    let failures: Vec<_> = results.iter().filter_map(|(_, failure)| failure.as_deref()).collect();
    assert!(failures.is_empty(), "{} of {lanes} lives failed:\n{}", failures.len(), failures.join("\n\n"));
    let recorded =
        PHASES.iter().zip(life).flat_map(|(phase, of)| of.writes.iter().map(move |write| format!("{phase:?} {write}")));
    // Events are written in the background: in which phase one comes is up to chance.
    let recorded = recorded.filter(|write| !write.ends_with(" events"));
    let never: Vec<_> = recorded.filter(|write| !met.contains(&write)).collect();
    assert!(never.is_empty(), "no cell met any of these: {never:#?}");
}
