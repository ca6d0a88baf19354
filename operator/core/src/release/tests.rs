use forkable_crds::fork::EnvStatus;

use super::*;
use crate::{
    PortError,
    condition::is_true,
    error::Provider,
    forge::Head,
    fork::fixtures::{self, at, hosted_record},
    store::Kind,
};

/// The release `acme-2` of commit `bbb`, after `acme-1` of commit `aaa`; not worked on yet.
struct World {
    release: Deployment,
    fork: Option<Fork>,
    older: Vec<Deployment>,
    newer: Vec<Deployment>,
    observed: Observed,
    /// This process made the object.
    is_untried: bool,
    now: i64,
}

type Change = fn(&mut World);

fn world() -> World {
    let mut release = fixtures::release("acme-2", "bbb", "r2", "Building");
    release.status = None;
    let mut fork = fixtures::fork();
    fork.status = Some(hosted_record());
    World {
        release,
        fork: Some(fork),
        older: vec![fixtures::release("acme-1", "aaa", "r1", "Live")],
        newer: Vec::new(),
        observed: Observed::default(),
        is_untried: true,
        now: 1000,
    }
}

impl World {
    fn with<T>(&self, look: impl FnOnce(Input<'_>) -> T) -> T {
        let own = std::slice::from_ref(&self.release);
        let siblings: Vec<_> = [&self.newer[..], own, &self.older[..]].concat().into_iter().map(Arc::new).collect();
        look(Input { release: &self.release, fork: self.fork.as_ref(), siblings: &siblings, now: at(self.now) })
    }

    fn look(&self) -> Look {
        self.with(|input| look(input, self.is_untried))
    }

    fn plan(&self) -> Next {
        self.with(|input| plan(input, &self.observed))
    }

    fn status(&self, error: Option<&PortError>) -> DeploymentStatus {
        self.with(|input| status(input, &self.observed, error))
    }

    /// A pass stores what it came to.
    fn store(&mut self) {
        self.release.status = Some(self.status(None));
    }

    fn fork(&mut self) -> &mut Fork {
        self.fork.as_mut().expect("a Fork")
    }
}

fn facts(state: BuildState) -> DeploymentFacts {
    DeploymentFacts {
        id: "dpl_2".into(),
        url: "acme-2-xyz.vercel.app".into(),
        state,
        request: Some("uid-acme-2".into()),
        commit: Some("bbb".into()),
        target: Some("production".into()),
        created_at: 1_000_000,
        ..DeploymentFacts::default()
    }
}

fn live() -> DeploymentFacts {
    DeploymentFacts {
        aliases_assigned: true,
        aliases: vec!["www.acme.com".into(), "acme.com".into()],
        ..facts(BuildState::Ready)
    }
}

fn failed() -> DeploymentFacts {
    DeploymentFacts { error: Some("Command \"npm run build\" exited with 1".into()), ..facts(BuildState::Failed) }
}

fn says(status: &DeploymentStatus, type_: &str) -> String {
    let condition = status.conditions.iter().find(|condition| condition.type_ == type_);
    let told = |it: &forkable_crds::condition::Condition| format!("{} {}: {}", it.status, it.reason, it.message);
    condition.map_or_else(String::new, told)
}

#[test]
fn what_is_looked_up() {
    let find = Look::Find { commit: Some("bbb".into()) };
    let cases: [(&str, Change, Look); 7] = [
        ("Vercel may have built the push already", |_| {}, find.clone()),
        ("nothing was linked before the first release", |world| world.older.clear(), Look::Nothing),
        (
            "a commit that is released again needs a build of its own",
            |world| world.older[0].spec.source.commit = Some("bbb".into()),
            Look::Nothing,
        ),
        (
            "a try of which the answer was lost",
            |world| {
                world.older.clear();
                world.is_untried = false;
            },
            find,
        ),
        (
            "its id is known",
            |world| {
                world.observed.deployment = Some(facts(BuildState::Queued));
                world.store();
            },
            Look::Deployment("dpl_2".into()),
        ),
        (
            "it is over",
            |world| {
                world.observed.deployment = Some(live());
                world.store();
            },
            Look::Nothing,
        ),
        ("there is no such Fork", |world| world.fork = None, Look::Nothing),
    ];
    for (why, change, expected) in cases {
        let mut world = world();
        change(&mut world);
        assert_eq!(world.look(), expected, "{why}");
    }
}

#[test]
fn which_deployment_is_that_of_a_release() {
    let vercels = || DeploymentFacts { id: "dpl_v".into(), request: None, ..facts(BuildState::Building) };
    let other =
        || DeploymentFacts { id: "dpl_o".into(), request: Some("uid-other".into()), ..facts(BuildState::Ready) };
    let cases: [(&str, Change, Vec<DeploymentFacts>, Option<&str>); 8] = [
        ("ours, by its mark", |_| {}, vec![other(), facts(BuildState::Building)], Some("dpl_2")),
        ("ours rather than Vercel's", |_| {}, vec![vercels(), facts(BuildState::Building)], Some("dpl_2")),
        ("ours even if it failed", |_| {}, vec![failed()], Some("dpl_2")),
        ("Vercel's own build of the push", |_| {}, vec![other(), vercels()], Some("dpl_v")),
        ("not Vercel's own if it is a preview", |_| {}, vec![DeploymentFacts { target: None, ..vercels() }], None),
        (
            "not Vercel's own if it failed",
            |_| {},
            vec![DeploymentFacts { state: BuildState::Failed, ..vercels() }],
            None,
        ),
        (
            "not Vercel's own if it was built before the variables were written",
            |world| {
                let row = EnvStatus {
                    name: "A".into(),
                    environments: Vec::new(),
                    branch: None,
                    id: "row".into(),
                    digest: String::new(),
                    sensitive: false,
                    updated_at: 1_000_001,
                };
                world.fork().status.as_mut().expect("a status").env = vec![row];
            },
            vec![vercels()],
            None,
        ),
        (
            "not Vercel's own if the commit is released again, for other variables",
            |world| world.older[0].spec.source.commit = Some("bbb".into()),
            vec![vercels()],
            None,
        ),
    ];
    for (why, change, found, expected) in cases {
        let mut world = world();
        change(&mut world);
        let found = world.with(|input| find(input, found));
        assert_eq!(found.as_ref().map(|facts| facts.id.as_str()), expected, "{why}");
    }
}

#[test]
fn what_is_built() {
    let request = |world: &World| match world.plan() {
        Next::Create(request) => request,
        other => panic!("a build is begun, not {other:?}"),
    };
    let plain = request(&world());
    assert_eq!(plain.request, "uid-acme-2", "the mark that it is found again by");
    assert_eq!((plain.commit.as_deref(), plain.branch.as_str(), plain.repository_id), (Some("bbb"), "main", 42));
    assert!(!plain.force, "Vercel may answer with its own build of the same");

    let mut again = world();
    again.older[0].spec.source.commit = Some("bbb".into());
    assert!(request(&again).force, "other variables need another build of the same commit");

    let mut branch = world();
    branch.release.spec.source = forkable_crds::deployment::Source { commit: None, git_ref: Some("dev".into()) };
    branch.release.spec.environment = "Preview".into();
    let branch = request(&branch);
    assert_eq!((branch.commit, branch.branch.as_str()), (None, "dev"), "the newest commit of a branch");

    let mut staging = world();
    staging.release.spec.environment = "staging".into();
    let custom = serde_json::json!([{"name": "staging", "branch": "next"}]);
    staging.fork().spec.project.environments = serde_json::from_value(custom).expect("environments");
    let request_of_staging = request(&staging);
    assert_eq!((request_of_staging.environment.as_str(), request_of_staging.branch.as_str()), ("staging", "next"));

    let generation = staging.fork().generation();
    let project = staging.fork().status.as_mut().expect("a status").project.as_mut().expect("a project");
    project.no_custom_environments = Some(generation);
    assert_eq!(request(&staging).environment, "Preview", "the plan has no custom environments");
}

#[test]
fn what_happens_next() {
    let wait = |seconds| Next::Wait(Some(Duration::from_secs(seconds)));
    let building = || Some(facts(BuildState::Building));
    let cases: [(&str, Option<DeploymentFacts>, i64, Next); 11] = [
        ("a young build is looked at soon", building(), 1, wait(1)),
        ("and then as all builds of a team are", building(), 2, wait(5)),
        ("and more seldom", building(), 60, wait(15)),
        ("and more seldom", building(), 300, wait(30)),
        ("waiting for a machine", Some(facts(BuildState::Queued)), 0, wait(1)),
        ("built, and domains are not led to it yet", Some(facts(BuildState::Ready)), 0, wait(1)),
        ("live", Some(live()), 0, Next::Wait(None)),
        ("failed: why?", Some(failed()), 0, Next::ReadLog("dpl_2".into())),
        ("canceled", Some(facts(BuildState::Canceled)), 0, Next::Wait(None)),
        ("blocked until a person acts", Some(facts(BuildState::Blocked)), 0, wait(60)),
        (
            "domains cannot be led to it",
            Some(DeploymentFacts { alias_error: Some("no".into()), ..facts(BuildState::Ready) }),
            0,
            wait(60),
        ),
    ];
    for (why, deployment, age, expected) in cases {
        let mut world = world();
        let asked = Observed { deployment: Some(facts(BuildState::Queued)), ..Observed::default() };
        world.release.status = Some(world.with(|input| status(input, &asked, None)));
        world.now += age;
        world.observed.deployment = deployment;
        assert_eq!(world.plan(), expected, "{why}");
    }
}

#[test]
fn a_log_is_read_once_even_if_it_is_empty() {
    let mut world = world();
    world.observed = Observed { deployment: Some(failed()), log: Some(Vec::new()), head: None };
    assert_eq!(world.plan(), Next::Wait(None));
    world.store();
    world.observed = Observed::default();
    assert_eq!(world.plan(), Next::Wait(None), "and not after a restart");
}

#[test]
fn what_is_said() {
    let cases: [(&str, Change, &str, &str); 9] = [
        ("before anything", |_| {}, "Pending", "Unknown Pending: is about to be built"),
        (
            "in the queue",
            |world| world.observed.deployment = Some(facts(BuildState::Queued)),
            "Building",
            "Unknown Building: waits for a build machine at Vercel",
        ),
        (
            "built",
            |world| world.observed.deployment = Some(facts(BuildState::Ready)),
            "Building",
            "Unknown AssigningDomains: built; Vercel leads the domains to it",
        ),
        (
            "live",
            |world| world.observed.deployment = Some(live()),
            "Live",
            "True Ready: live at https://acme-2-xyz.vercel.app",
        ),
        (
            "failed, with the tail of the log",
            |world| {
                world.observed.deployment = Some(failed());
                world.observed.log = Some(vec!["one".into(), "two".into()]);
            },
            "Failed",
            "False BuildFailed: build failed: Command \"npm run build\" exited with 1; last lines:\none\ntwo",
        ),
        (
            "blocked",
            |world| {
                let error = Some("the author of the commit has no seat".into());
                world.observed.deployment = Some(DeploymentFacts { error, ..facts(BuildState::Blocked) });
            },
            "Building",
            "False BuildBlocked: Vercel blocks the build until a person acts there: the author of the commit has no seat",
        ),
        (
            "the Fork is gone",
            |world| world.fork = None,
            "Pending",
            "False ForkNotFound: there is no Fork acme in this namespace",
        ),
        (
            "the Fork has no project yet",
            |world| world.fork().status = None,
            "Pending",
            "Unknown ForkNotReady: waits for repository and project of the Fork acme",
        ),
        (
            "an environment that nobody declared",
            |world| world.release.spec.environment = "qa".into(),
            "Pending",
            "False UnknownEnvironment: qa is neither Production or Preview nor a name in project.environments of the Fork \
             acme",
        ),
    ];
    for (why, change, phase, ready) in cases {
        let mut world = world();
        change(&mut world);
        let status = world.status(None);
        assert_eq!(status.phase.as_deref(), Some(phase), "{why}");
        assert_eq!(says(&status, "Ready"), ready, "{why}");
        world.release.status = Some(status.clone());
        world.now += 100;
        assert_eq!(world.status(None), status, "{why}: said twice, it is the same");
    }
}

#[test]
fn a_failed_build_is_stalled_and_over() {
    let mut world = world();
    world.observed = Observed { deployment: Some(failed()), log: Some(Vec::new()), head: None };
    let status = world.status(None);
    assert!(is_true(&status.conditions, "Stalled"));
    assert!(status.finished_at.is_some());
}

#[test]
fn the_tail_of_a_log_fits_into_a_condition() {
    let mut world = world();
    let lines = (0..100).map(|line| format!("{line} {}", "x".repeat(1000))).collect();
    world.observed = Observed { deployment: Some(failed()), log: Some(lines), head: None };
    let said = says(&world.status(None), "Ready");
    assert!(said.len() < 4300, "{} bytes", said.len());
    assert!(said.contains("\n99 x") && !said.contains("\n90 x"), "the last lines");
}

#[test]
fn an_error_of_a_call_is_told_and_is_not_the_end() {
    let mut world = world();
    world.observed.deployment = Some(facts(BuildState::Building));
    world.store();
    world.observed.deployment = None;
    let error = PortError::Unavailable { provider: Provider::Vercel, message: "502".into() };
    let status = world.status(Some(&error));
    assert_eq!(says(&status, "Ready"), "False ProviderUnavailable: Vercel is unavailable: 502");
    assert_eq!((status.finished_at, status.deployment_id.as_deref()), (None, Some("dpl_2")));
    let status = world.status(None);
    assert_eq!(
        says(&status, "Ready"),
        "False DeploymentDeleted: the deployment was deleted at Vercel",
        "it is really gone"
    );
    assert_eq!(status.finished_at, None, "and may be back");
    assert!(matches!(world.plan(), Next::Wait(Some(_))), "which is looked for");
}

#[test]
fn a_newer_release_takes_the_place_of_an_older_one() {
    let mut world = world();
    world.observed.deployment = Some(live());
    world.store();
    let before = world.release.status.clone();
    world.observed = Observed::default();
    world.newer = vec![fixtures::release("acme-3", "ccc", "r3", "Building")];
    assert_eq!(Some(world.status(None)), before, "not while the newer one is being built");
    world.newer = vec![fixtures::release("acme-3", "ccc", "r3", "Live")];
    let status = world.status(None);
    assert_eq!(status.phase.as_deref(), Some("Superseded"));
    assert_eq!(says(&status, "Live"), "False Superseded: acme-3 serves in its place");
    assert!(is_true(&status.conditions, "Ready"), "it has done what it was for");
    world.release.status = Some(status.clone());
    assert_eq!(world.status(None), status, "once");
    let mut preview = fixtures::release("acme-3", "ccc", "r3", "Live");
    preview.spec.environment = "Preview".into();
    world.release.status = before.clone();
    world.newer = vec![preview];
    assert_eq!(Some(world.status(None)), before, "a preview takes no place in production");
}

#[test]
fn a_commit_is_told_with_message_and_author() {
    let mut world = world();
    let head = Head { oid: "bbb".into(), tree: "t".into(), message: "m".repeat(300), author: "ada".into() };
    world.observed.head = Some(head);
    let commit = world.status(None).commit.expect("a commit");
    assert_eq!((commit.sha.as_str(), commit.author.as_deref()), ("bbb", Some("ada")));
    assert_eq!(commit.message.map(|message| message.len()), Some(256));
    world.store();
    world.observed.head = Some(Head { oid: "ccc".into(), ..Head::default() });
    let commit = world.status(None).commit.expect("a commit");
    assert_eq!(commit.author.as_deref(), Some("ada"), "the head has moved on, and the commit is the same");
}

#[test]
fn polling_counts_from_the_first_look() {
    let mut world = world();
    world.observed.deployment = Some(facts(BuildState::Queued));
    world.store();
    let requested_at = world.status(None).requested_at;
    assert!(requested_at.is_some());
    world.now += 50;
    assert_eq!(world.status(None).requested_at, requested_at);
}
