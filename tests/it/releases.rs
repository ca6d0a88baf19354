//! A person aborts, or the process is killed, in every phase of a release.

use forkable_tests::{World, reference_secret, releases::Cell};
use futures::stream::{self, StreamExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_survives_abort_and_kill_9_in_every_phase() {
    let survive = |cell: Cell| async move {
        let mut world = World::start().await;
        world.arguments.push("--resync=1s".into());
        world.write("secret.yaml", &reference_secret());
        cell.survives(&world).await.map_err(|error| format!("{cell:?}: {error}"))
    };
    let results: Vec<_> = stream::iter(Cell::all()).map(survive).buffer_unordered(6).collect().await;
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    println!("{} cells", results.len());
    assert!(failures.is_empty(), "{} of {} cells failed:\n{}", failures.len(), results.len(), failures.join("\n\n"));
}
