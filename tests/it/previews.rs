//! Previews of pull requests: built, commented on, replaced, taken away, and killed at every change.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_tests::{Call, World, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(2);
const REPOSITORY: &str = "acme-inc/acme";

/// The reference fork with previews, whose first release is live.
async fn previewing(previews: &str) -> World {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=1s".into());
    let node = "    nodeVersion: \"22\"\n";
    world.edit("acme.yaml", node, &format!("{node}    protection: {{ login: \"Off\" }}\n"));
    world.edit("acme.yaml", "  release:\n", &format!("  release:\n    previews: {previews}\n"));
    world.converge().await;
    world
}

/// From now on Vercel does not build what is pushed to branches by itself.
async fn without_git_integration(world: &World) {
    let body = json!({ "previewDeploymentsDisabled": true });
    world.person("vercel", Method::PATCH, "/v9/projects/acme?teamId=team_acme", Some(body)).await;
}

async fn github(world: &World, method: Method, path: &str, body: Value) -> Value {
    world.person("github", method, &format!("/repos/{REPOSITORY}{path}"), Some(body)).await
}

/// A commit on a branch, which is made if it is not there; tells its id.
async fn push(world: &World, branch: &str, text: &str) -> String {
    let repository = world.repository(REPOSITORY).await;
    if repository["branches"][branch].is_null() {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": repository["branches"]["main"] });
        github(world, Method::POST, "/git/refs", body).await;
    }
    let content = BASE64_STANDARD.encode(text);
    let path = format!("/contents/{branch}/{}.txt", text.replace(' ', "-"));
    let body = json!({ "message": format!("Add {text}"), "content": content, "branch": branch });
    let answer = github(world, Method::PUT, &path, body).await;
    answer["commit"]["sha"].as_str().expect("a commit").to_owned()
}

/// Opens a pull request for a branch with one commit; tells its number and the commit.
async fn open(world: &World, branch: &str) -> (u64, String) {
    let commit = push(world, branch, "first").await;
    let body = json!({ "title": branch, "head": branch, "base": "main" });
    let made = github(world, Method::POST, "/pulls", body).await;
    (made["number"].as_u64().expect("a number"), commit)
}

async fn close(world: &World, number: u64) {
    github(world, Method::PATCH, &format!("/pulls/{number}"), json!({ "state": "closed" })).await;
}

/// What the comments on a pull request say.
async fn said(world: &World, number: u64) -> Vec<String> {
    let repository = world.repository(REPOSITORY).await;
    let mut pulls = repository["pulls"].as_array().into_iter().flatten();
    let pull = pulls.find(|pull| pull["number"] == number).expect("the pull request");
    let comments = pull["comments"].as_array().into_iter().flatten();
    comments.map(|comment| comment["body"].as_str().expect("a body").to_owned()).collect()
}

/// Waits until the one comment says this.
async fn says(world: &World, number: u64, text: &str) -> String {
    eventually(&format!("#{number} says {text}"), PATIENCE, || async {
        let said = said(world, number).await;
        assert!(said.len() <= 1, "{said:#?}");
        said.into_iter().find(|said| said.contains(text))
    })
    .await
}

/// The deployments of a commit at Vercel.
async fn built(world: &World, commit: &str) -> Vec<Value> {
    let project = world.project("acme").await;
    let all = project["deployments"].as_array().into_iter().flatten();
    all.filter(|deployment| deployment["sha"] == commit).cloned().collect()
}

/// Names of the Deployment objects that are previews.
async fn objects(world: &World) -> Vec<String> {
    let output = world.run(&["get", "deployment", "-o", "json"]).await;
    let all: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let items = all["items"].as_array().into_iter().flatten();
    let previews = items.filter(|item| !item["spec"]["pullRequest"].is_null());
    previews.map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

async fn told(world: &World) -> String {
    world.condition("acme", "PreviewsReady").await.expect("a condition").2
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_has_a_preview_until_it_is_merged() {
    let world = previewing("{ limit: 5 }").await;
    without_git_integration(&world).await;
    let running = world.up();
    let (number, first) = open(&world, "topic").await;
    let comment = says(&world, number, &format!("This is commit {}", &first[..7])).await;
    let url = comment.split("https://").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let (status, page) = world.page(url).await;
    assert!(status == 200 && page.contains(&first[..7]), "{status}: {page}");
    let (_, page) = world.page("acme.example.com").await;
    assert!(!page.contains(&first[..7]), "production is left alone");
    assert_eq!(objects(&world).await, [format!("acme-pr{number}-{}", &first[..7])]);
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("1 of 1 preview can be looked at"), "{}", why.stdout);

    let second = push(&world, "topic", "second").await;
    says(&world, number, &format!("This is commit {}", &second[..7])).await;
    eventually("the first one is gone", PATIENCE, || async { built(&world, &first).await.is_empty().then_some(()) })
        .await;
    assert_eq!(built(&world, &second).await.len(), 1);
    eventually("its object, too", PATIENCE, || async { (objects(&world).await.len() == 1).then_some(()) }).await;

    github(&world, Method::PUT, &format!("/pulls/{number}/merge"), json!({})).await;
    says(&world, number, "The preview is gone").await;
    eventually("all of it is gone", PATIENCE, || async {
        let is_gone = built(&world, &second).await.is_empty() && objects(&world).await.is_empty();
        (is_gone && world.any_status("acme").await["previews"].is_null()).then_some(())
    })
    .await;
    running.kill().await;
    world.forget_calls().await;
    world.converge().await;
    let comments = world.writes().await.into_iter().filter(|call| call.operation.contains("comments")).count();
    assert_eq!(comments, 0, "nothing more is said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_vercels_own_is_taken_and_left() {
    let world = previewing("{ comment: false }").await;
    let running = world.up();
    let (number, commit) = open(&world, "topic").await;
    let url = eventually("it can be looked at", PATIENCE, || async {
        world.any_status("acme").await["previews"][0]["url"].as_str().map(str::to_owned)
    })
    .await;
    let all = built(&world, &commit).await;
    assert_eq!(all.len(), 1, "it is not built twice: {all:#?}");
    assert!(url.contains(all[0]["url"].as_str().expect("a host name")), "{url}: {all:#?}");
    close(&world, number).await;
    eventually("its object is gone", PATIENCE, || async { objects(&world).await.is_empty().then_some(()) }).await;
    assert_eq!(built(&world, &commit).await.len(), 1, "what others made is theirs");
    assert_eq!(said(&world, number).await, Vec::<String>::new());
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_beyond_the_limit_wait_and_those_from_elsewhere_have_none() {
    let world = previewing("{ limit: 1 }").await;
    without_git_integration(&world).await;
    // A pull request from a fork of the repository, of a branch named as ours.
    let fork = json!({ "organization": "forkable-ai", "name": "theirs" });
    github(&world, Method::POST, "/forks", fork).await;
    let body = json!({ "message": "Read the variables", "content": BASE64_STANDARD.encode("x"), "branch": "main" });
    world.person("github", Method::PUT, "/repos/forkable-ai/theirs/contents/x.txt", Some(body)).await;
    let body = json!({ "title": "Let me in", "head": "forkable-ai:main", "base": "main" });
    let foreign = github(&world, Method::POST, "/pulls", body).await["number"].as_u64().expect("a number");
    let (first, one) = open(&world, "one").await;
    let (second, two) = open(&world, "two").await;
    let running = world.up();
    says(&world, first, &format!("This is commit {}", &one[..7])).await;
    let said_so = format!("#{second} wait for another one to be closed");
    eventually("it is said", PATIENCE, || async { told(&world).await.contains(&said_so).then_some(()) }).await;
    assert!(told(&world).await.contains("1 from other repositories have none"), "{}", told(&world).await);
    assert_eq!((said(&world, second).await.len(), said(&world, foreign).await.len()), (0, 0));
    assert_eq!(objects(&world).await.len(), 1);
    close(&world, first).await;
    says(&world, second, &format!("This is commit {}", &two[..7])).await;
    says(&world, first, "The preview is gone").await;
    // Asked for, theirs is the oldest. It is no build of our branch of that name.
    world.edit("acme.yaml", "{ limit: 1 }", "{ limit: 2, crossRepository: true }");
    let comment = says(&world, foreign, "This is commit").await;
    assert!(comment.contains("https://"), "{comment}");
    // None are asked for any more.
    world.edit("acme.yaml", "    previews: { limit: 2, crossRepository: true }\n", "");
    says(&world, foreign, "Previews of pull requests are switched off").await;
    eventually("all of them are gone", PATIENCE, || async { objects(&world).await.is_empty().then_some(()) }).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_cannot_be_built_is_the_pull_requests_business() {
    let world = previewing("{}").await;
    let (number, _) = open(&world, "topic").await;
    let body = json!({
        "message": "Break it", "content": BASE64_STANDARD.encode("error: sk_test_not_a_real_key\n"), "branch": "topic",
    });
    github(&world, Method::PUT, "/contents/forkable-sandbox.fail-build", body).await;
    let running = world.up();
    let comment = says(&world, number, "could not be built").await;
    assert!(!comment.contains("sk_test"), "what a build prints is not for everybody: {comment}");
    eventually("it is said", PATIENCE, || async {
        told(&world).await.contains(&format!("#{number} could not be built")).then_some(())
    })
    .await;
    let ready = world.condition("acme", "Ready").await.expect("a condition");
    assert_eq!(ready.0, "True", "{}", ready.2);
    running.kill().await;
}

#[derive(Clone, Copy, Debug)]
enum Point {
    Before,
    After,
}

/// What the calls of an undisturbed run come to as cells: every change, and the first of each look.
fn cells(calls: &[Call]) -> Vec<(String, u64, Point)> {
    let mut nth = BTreeMap::<&str, u64>::new();
    let mut cells = Vec::new();
    for call in calls {
        let nth = nth.entry(&call.operation).and_modify(|nth| *nth += 1).or_insert(1);
        let is_look = call.operation == "graphql query FindComment";
        if call.write || is_look {
            cells.extend([Point::Before, Point::After].map(|point| (call.operation.clone(), *nth, point)));
        }
    }
    cells
}

async fn kill_at(world: &World, (operation, nth, point): &(String, u64, Point)) {
    let hold = if matches!(point, Point::Before) { "before" } else { "after" };
    world.killed_at(json!({ "operation": operation, "nth": nth }), hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_around_build_and_comment_leaves_no_second() {
    let prepared = previewing("{}").await;
    without_git_integration(&prepared).await;
    let (number, commit) = open(&prepared, "topic").await;
    prepared.forget_calls().await;
    let text = format!("This is commit {}", &commit[..7]);
    let undisturbed = prepared.copy().await;
    let running = undisturbed.up();
    says(&undisturbed, number, &text).await;
    running.kill().await;
    let cells = cells(&undisturbed.calls().await);
    assert!(cells.len() >= 6, "{cells:?}");
    for cell in cells {
        println!("{cell:?}");
        let world = prepared.copy().await;
        kill_at(&world, &cell).await;
        let running = world.up();
        says(&world, number, &text).await;
        running.kill().await;
        assert_eq!(built(&world, &commit).await.len(), 1, "{cell:?}");
        assert_eq!(objects(&world).await.len(), 1, "{cell:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_around_the_end_leaves_nothing() {
    let prepared = previewing("{}").await;
    without_git_integration(&prepared).await;
    let (number, commit) = open(&prepared, "topic").await;
    let running = prepared.up();
    says(&prepared, number, "This is commit").await;
    running.kill().await;
    close(&prepared, number).await;
    prepared.forget_calls().await;
    let ends = async |world: &World| {
        let running = world.up();
        says(world, number, "The preview is gone").await;
        eventually("it is forgotten", PATIENCE, || async {
            world.any_status("acme").await["previews"].is_null().then_some(())
        })
        .await;
        running.kill().await;
    };
    let undisturbed = prepared.copy().await;
    ends(&undisturbed).await;
    let cells = cells(&undisturbed.calls().await);
    assert!(cells.len() >= 4, "{cells:?}");
    for cell in cells {
        println!("{cell:?}");
        let world = prepared.copy().await;
        kill_at(&world, &cell).await;
        ends(&world).await;
        assert_eq!((built(&world, &commit).await.len(), objects(&world).await.len()), (0, 0), "{cell:?}");
    }
}
