//! What holds for runs of workflows and for commits that are taken back.

use std::collections::BTreeMap;

use forkable_core::{
    PortError,
    forge::{Environment, ForgeChange, ForgeDone, RepositoryTarget, Revert},
    workflows::{Dispatch, RunAsk, RunReview, RunState},
};

use super::{
    Outcome,
    contract::apply,
    worlds::{World, ask_of, look},
};

const WORKFLOW: &str = "\
name: Migrate
run-name: Run for ${{ inputs.release }}
on:
  workflow_dispatch:
    inputs:
      commit: { required: true, type: string }
      release: { required: true, type: string }
jobs:
  migrate:
    runs-on: ubuntu-latest
    steps: [{ run: echo }]
";

fn dispatch(workflow: &str, inputs: &[(&str, &str)]) -> ForgeChange {
    ForgeChange::DispatchWorkflow(Dispatch {
        workflow: workflow.into(),
        git_ref: "main".into(),
        inputs: inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    })
}

async fn begin(world: &dyn World, target: &RepositoryTarget, release: &str) -> Outcome<i64> {
    let done = apply(world.forge(), target, dispatch("migrate.yml", &[("release", release)])).await?;
    let ForgeDone::Dispatched { run: Some((id, url)) } = done else { return Err("a run was expected".into()) };
    assert!(url.ends_with(&format!("/acme-inc/acme/actions/runs/{id}")), "{url}");
    Ok(id)
}

pub(super) async fn a_run_is_begun_found_and_canceled(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, _) = world.repository("acme").await?;
    let absent = apply(forge, &target, dispatch("migrate.yml", &[])).await;
    assert!(matches!(absent, Err(PortError::NotFound { .. })), "{absent:?}");
    let ask = |id| RunAsk::Id(id);
    assert_eq!(forge.runs(&target, &ask(1)).await?, [], "there is no such run");
    world.write("acme-inc/acme", ".github/workflows/migrate.yml", WORKFLOW).await?;
    world.write("acme-inc/acme", ".github/workflows/push.yml", "on: push\n").await?;
    let undeclared = apply(forge, &target, dispatch("migrate.yml", &[("colour", "red")])).await;
    assert!(undeclared.as_ref().is_err_and(|error| error.to_string().contains("colour")), "{undeclared:?}");
    let untriggered = apply(forge, &target, dispatch("push.yml", &[])).await;
    assert!(matches!(untriggered, Err(PortError::Rejected { .. })), "{untriggered:?}");
    let first = begin(world, &target, "acme-1").await?;
    let [run] = forge.runs(&target, &ask(first)).await?.try_into().map_err(|_| "one run was expected")?;
    assert_eq!((run.title.as_str(), run.state, &run.conclusion), ("Run for acme-1", RunState::Running, &None));
    let since = |since| RunAsk::Dispatched { workflow: "migrate.yml".into(), since };
    assert_eq!(forge.runs(&target, &since(run.created_at)).await?, std::slice::from_ref(&run), "found by its time");
    let later = run.created_at.checked_add(jiff::SignedDuration::from_hours(1))?;
    assert_eq!(forge.runs(&target, &since(later)).await?, []);
    for _ in 0..2 {
        apply(forge, &target, ForgeChange::CancelRun { id: first }).await?;
        let run = forge.runs(&target, &ask(first)).await?.remove(0);
        assert_eq!((run.state, run.conclusion.as_deref()), (RunState::Failed, Some("cancelled")));
    }
    let second = begin(world, &target, "acme-2").await?;
    world.ripen();
    let run = forge.runs(&target, &ask(second)).await?.remove(0);
    assert_eq!((run.state, run.conclusion.as_deref()), (RunState::Succeeded, Some("success")));
    let both: Vec<_> = forge.runs(&target, &since(run.created_at)).await?.iter().map(|run| run.id).collect();
    assert_eq!(both.first(), Some(&second), "the newest first: {both:?}");
    Ok(())
}

const ASKING: &str = "\
name: Approve
run-name: Approve ${{ inputs.release }}
on:
  workflow_dispatch:
    inputs:
      release: { required: true, type: string }
jobs:
  approve:
    runs-on: ubuntu-latest
    environment: production
    steps: [{ run: echo }]
";

pub(super) async fn what_reviewers_said_of_a_run_is_told(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, _) = world.repository("acme").await?;
    let environment = Environment {
        name: "production".into(),
        reviewers: vec!["user:octo-founder".into()],
        ..Environment::default()
    };
    apply(forge, &target, ForgeChange::PutEnvironment(environment)).await?;
    world.write("acme-inc/acme", ".github/workflows/migrate.yml", ASKING).await?;
    for (release, approves) in [("acme-1", true), ("acme-2", false)] {
        let id = begin(world, &target, release).await?;
        assert_eq!(forge.run_reviews(&target, id).await?, [], "nobody has said anything");
        assert_eq!(forge.runs(&target, &RunAsk::Id(id)).await?[0].state, RunState::Running, "it waits");
        world.review_run("acme-inc/acme", id, approves, "as I say").await?;
        let review = RunReview {
            approves,
            by: "octo-founder".into(),
            comment: "as I say".into(),
            environments: vec!["production".into()],
        };
        assert_eq!(forge.run_reviews(&target, id).await?, [review]);
    }
    assert_eq!(forge.run_reviews(&target, 1).await?, [], "there is no such run");
    Ok(())
}

pub(super) async fn a_file_is_read_as_a_branch_has_it(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, _) = world.repository("acme").await?;
    world.branch("acme-inc/acme", "topic").await?;
    world.write("acme-inc/acme", ".github/workflows/migrate.yml", WORKFLOW).await?;
    let path = ".github/workflows/migrate.yml";
    assert_eq!(forge.file(&target, path, None).await?.as_deref(), Some(WORKFLOW));
    assert_eq!(forge.file(&target, path, Some("main")).await?.as_deref(), Some(WORKFLOW));
    assert_eq!(forge.file(&target, path, Some("topic")).await?, None);
    assert_eq!(forge.file(&target, path, Some("nowhere")).await?, None);
    Ok(())
}

pub(super) async fn a_commit_is_taken_back_once(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let head =
        async || -> Outcome<String> { Ok(look(forge, &ask_of(&facts)).await?.head.ok_or("a head was expected")?.oid) };
    let good = head().await?;
    world.write("acme-inc/acme", "README.md", "bad\n").await?;
    let bad = head().await?;
    let revert = |bad: &str| {
        ForgeChange::OpenRevert(Revert {
            branch: format!("forkable/revert-{}", &bad[..7]),
            base: "main".into(),
            bad: bad.into(),
            good: good.clone(),
            title: "Revert \"bad\"".into(),
            body: "It was rolled back.".into(),
        })
    };
    for _ in 0..2 {
        let done = apply(forge, &target, revert(&bad)).await?;
        let ForgeDone::PullRequest { number, url } = done else { return Err("a pull request was expected".into()) };
        assert_eq!(number, 1, "it is found again");
        assert!(url.ends_with("/acme-inc/acme/pull/1"), "{url}");
    }
    let early = apply(forge, &target, revert(&good)).await;
    assert!(matches!(early, Err(PortError::Stale { .. })), "there are commits on top: {early:?}");
    assert_eq!(world.read("acme-inc/acme", "README.md").await?.as_deref(), Some("bad\n"), "a person merges");
    Ok(())
}
