use forkable_crds::{Deployment, ForkStatus, rollout::Previews};

use super::*;
use crate::{
    forge::{ForgeDone, Head, PullRequests},
    fork::{
        Desired, Observed, absorb,
        fixtures::{at, desired, hosted, hosted_record, input, message, printed, reason, release},
        record,
    },
    plan::Done,
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// Production is live, and previews are asked for.
fn world(limit: i32) -> World {
    let previews = Some(Previews { limit, comment: true, cross_repository: false });
    let mut world = World { desired: Desired { previews, ..desired() }, observed: hosted(), record: hosted_record() };
    let mut live = release("acme-acme-he", "acme-head", "a.b", "Live");
    live.status.as_mut().expect("a status").deployment_id = Some("dpl_1".into());
    world.observed.releases = vec![live.into()];
    world.see(&[]);
    world
}

fn open(number: i64, commit: &str) -> PullRequest {
    let head = Head { oid: commit.into(), ..Head::default() };
    PullRequest { number, head, branch: format!("topic-{number}"), is_cross_repository: false }
}

impl World {
    fn see(&mut self, open: &[PullRequest]) {
        let repository = self.observed.repository.as_mut().expect("a repository");
        repository.pull_requests = Some(PullRequests { open: open.to_vec(), ..PullRequests::default() });
    }

    fn change(&mut self, change: impl FnOnce(&mut PullRequests)) {
        let repository = self.observed.repository.as_mut().expect("a repository");
        change(repository.pull_requests.as_mut().expect("they were looked at"));
    }

    fn plan(&self) -> FacetPlan {
        plan(input(&self.desired, &self.observed, &self.record)).expect("a plan")
    }

    /// Does all that is planned, and tells it; then nothing is left to do.
    fn apply(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        while let Some(step) = self.plan().steps.into_iter().next() {
            let answer = match &step.change {
                Change::Forge(ForgeChange::PutComment { pull_request, .. }) => {
                    Done::Forge(ForgeDone::Commented { id: Some(pull_request * 10) })
                }
                _ => Done::Store,
            };
            let _ = record::begin(&mut self.record, &self.desired, &step, at(1));
            absorb::absorb(&mut self.observed, &step.change, &answer);
            record::done(&mut self.record, &self.desired, &self.observed, &step.change, &answer);
            done.push(step.to_string().chars().skip(14).collect());
        }
        self.record.previews = previews::status(input(&self.desired, &self.observed, &self.record));
        let left = plan(input(&self.desired, &self.observed, &self.record));
        assert!(left.is_none_or(|left| left.steps.is_empty()), "a report leaves something to do");
        done
    }

    /// The preview of that name comes to be live, or fails.
    fn ends(&mut self, name: &str, phase: &str) {
        let all = &mut self.observed.releases;
        let at = all.iter().position(|release| release.metadata.name.as_deref() == Some(name)).expect("it was made");
        let mut ended = Deployment::clone(&all[at]);
        ended.status = release(name, "", "a.b", phase).status;
        all[at] = ended.into();
    }

    fn said(&self, number: i64) -> String {
        previews::text(input(&self.desired, &self.observed, &self.record), number).unwrap_or_default()
    }
}

#[test]
fn a_pull_request_has_a_preview_of_its_newest_commit_until_it_is_closed() {
    let mut world = world(10);
    world.see(&[open(12, "aaaaaaaaaa")]);
    assert_eq!(world.apply(), ["build commit aaaaaaa as preview of pull request #12", "comment on pull request #12"]);
    assert_eq!(world.said(12), "**The preview of commit aaaaaaa is being built.**");
    assert_eq!(world.record.previews[0].url, None);
    world.ends("acme-pr12-aaaaaaa", "Live");
    assert_eq!(world.apply(), ["comment on pull request #12"]);
    let said = world.said(12);
    assert!(said.contains("https://acme-pr12-aaaaaaa.vercel.app") && said.contains("commit aaaaaaa"), "{said}");
    assert_eq!(world.record.previews[0].comment.as_ref().and_then(|comment| comment.id), Some(120));

    world.see(&[open(12, "bbbbbbbbbb")]);
    assert_eq!(world.apply(), ["build commit bbbbbbb as preview of pull request #12"], "the comment is still true");
    assert_eq!(world.said(12), said);
    world.see(&[open(12, "cccccccccc")]);
    assert_eq!(
        world.apply(),
        [
            "build commit ccccccc as preview of pull request #12",
            "take away acme-pr12-bbbbbbb, a preview of pull request #12",
        ],
        "what was under way is superseded"
    );
    world.ends("acme-pr12-ccccccc", "Failed");
    assert_eq!(world.apply(), ["comment on pull request #12"]);
    assert!(world.said(12).contains("This is commit aaaaaaa; commit ccccccc could not be built"), "{}", world.said(12));
    assert_eq!(reason(&world.plan().verdict), "Synced", "a bad pull request says nothing about the product");
    world.see(&[open(12, "dddddddddd")]);
    world.apply();
    world.ends("acme-pr12-ddddddd", "Live");
    let steps = world.apply();
    assert!(steps.contains(&"take away acme-pr12-aaaaaaa, a preview of pull request #12".to_owned()), "{steps:?}");

    world.see(&[]);
    assert_eq!(
        world.apply(),
        ["take away acme-pr12-ddddddd, a preview of pull request #12", "comment on pull request #12"]
    );
    assert_eq!(world.record.previews, [], "it is over");
    assert_eq!(world.observed.releases.len(), 1, "production's is left");
}

type Case = (&'static str, fn(&mut World), &'static [&'static str], &'static str);

const CANNOT: &str = "the pull requests cannot be seen: grant pull_requests:write to the GitHub credentials";

#[test]
fn previews_go_only_when_it_is_certain() {
    let cases: [Case; 9] = [
        ("nothing new", |_| {}, &[], "2 of 2 previews can be looked at"),
        (
            "one is closed",
            |world| world.see(&[open(2, "2222222")]),
            &["take away acme-pr1-1111111, a preview of pull request #1", "comment on pull request #1"],
            "1 of 1 preview can be looked at",
        ),
        (
            "they cannot be seen",
            |world| world.change(|seen| *seen = PullRequests { is_hidden: true, ..PullRequests::default() }),
            &[],
            CANNOT,
        ),
        (
            "they were not looked at",
            |world| world.observed.repository.as_mut().expect("it").pull_requests = None,
            &[],
            CANNOT,
        ),
        (
            "the list is cut before them, and empty",
            |world| world.change(|seen| *seen = PullRequests { is_cut: true, ..PullRequests::default() }),
            &[],
            "no pull request is open that may have a preview; more than 100 are open",
        ),
        (
            "the list is cut behind one that is not in it",
            |world| {
                world.see(&[open(2, "2222222")]);
                world.change(|seen| seen.is_cut = true);
            },
            &["take away acme-pr1-1111111, a preview of pull request #1", "comment on pull request #1"],
            "1 of 1 preview can be looked at; more than 100 are open",
        ),
        (
            "the limit is lower now",
            |world| world.desired.previews.as_mut().expect("asked for").limit = 1,
            &["take away acme-pr2-2222222, a preview of pull request #2", "comment on pull request #2"],
            "1 of 1 preview can be looked at; #2 wait for another one to be closed",
        ),
        (
            "the manifest asks for none any more",
            |world| world.desired.previews = None,
            &[
                "take away acme-pr1-1111111, a preview of pull request #1",
                "take away acme-pr2-2222222, a preview of pull request #2",
                "comment on pull request #1",
                "comment on pull request #2",
            ],
            "pull requests have no previews",
        ),
        ("the repository cannot be seen", |world| world.observed.repository = None, &[], "waits for the repository"),
    ];
    for (why, change, steps, verdict) in cases {
        let mut world = world(2);
        world.see(&[open(1, "1111111"), open(2, "2222222")]);
        world.apply();
        world.ends("acme-pr1-1111111", "Live");
        world.ends("acme-pr2-2222222", "Live");
        world.apply();
        change(&mut world);
        assert_eq!(printed(&world.plan()), steps, "{why}");
        let told = world.plan().verdict;
        assert!(message(&told).starts_with(verdict), "{why}: {}", message(&told));
        world.apply();
    }
}

#[test]
fn what_may_not_have_one_waits_or_is_let_be() {
    let mut world = world(1);
    let foreign = PullRequest { is_cross_repository: true, branch: "main".into(), ..open(1, "1111111") };
    world.see(&[foreign, open(2, "2222222"), open(3, "3333333")]);
    assert_eq!(
        world.apply(),
        ["build commit 2222222 as preview of pull request #2", "comment on pull request #2"],
        "a foreign one does not count, and a waiting one is not commented on"
    );
    let said = message(&world.plan().verdict).to_owned();
    assert!(said.contains("0 of 1 preview") && said.contains("#3 wait") && said.contains("1 from other"), "{said}");
    world.desired.previews.as_mut().expect("asked for").cross_repository = true;
    let plan = world.plan();
    let first = plan.steps.first().map(|step| &step.change);
    let Some(Change::Store(StoreChange::CreatePreview { pull_request, .. })) = first else { panic!("{first:?}") };
    assert_eq!(pull_request.branch, "refs/pull/1/head", "never as a branch of this repository");
}

#[test]
fn the_first_deployment_of_a_project_is_never_a_preview() {
    let mut world = world(1);
    world.see(&[open(1, "1111111")]);
    world.observed.releases.clear();
    assert_eq!(printed(&world.plan()), Vec::<String>::new());
}

#[test]
fn what_an_interrupted_pass_began_is_ended() {
    let mut world = world(1);
    world.see(&[open(1, "1111111")]);
    let steps = world.plan().steps;
    absorb::absorb(&mut world.observed, &steps[0].change, &Done::Store);
    let comment = world.plan().steps.remove(0);
    let _ = record::begin(&mut world.record, &world.desired, &comment, at(1));
    assert_eq!(world.plan().steps, [comment], "whether it was made is not known: it is looked for");
    world.see(&[]);
    assert_eq!(
        world.apply(),
        ["take away acme-pr1-1111111, a preview of pull request #1", "comment on pull request #1"],
        "also if it is closed meanwhile"
    );
}
