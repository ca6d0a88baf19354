//! A person aborts, or the process is killed, in every phase of a release, in the cluster.

use forkable_tests::{
    Namespace, Output, Running, World, binary, reference_secret,
    releases::{Cell, Host},
};
use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use tokio::process::Command;

use crate::installed::{Installed, NAME, PATIENCE};

/// Releases that run at once.
const AT_ONCE: usize = 6;

/// A namespace with a Fork and a sandbox of its own, and a process that works on them with the rights of the chart.
struct Lane<'a> {
    installed: &'a Installed<'a>,
    space: Namespace<'a>,
    folder: tempfile::TempDir,
}

impl<'a> Lane<'a> {
    fn new(installed: &'a Installed<'a>, token: &str, space: Namespace<'a>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = installed.space.cluster.kubeconfig_for(token, &installed.space.name);
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).expect("the folder can be written");
        Self { installed, space, folder }
    }
}

impl Host for Lane<'_> {
    fn world(&self) -> &World {
        &self.space.world
    }

    async fn declare(&self, manifest: &str) {
        self.space.apply(&reference_secret()).await;
        self.space.apply(manifest).await;
    }

    fn start(&self) -> Running {
        self.installed.start_for(&self.space, self.folder.path(), "1s")
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--cluster", "--namespace", &self.space.name]);
        command.env("KUBECONFIG", self.space.cluster.kubeconfig());
        Running::start(command).finish(PATIENCE).await
    }

    async fn releases(&self) -> Vec<(String, Value)> {
        let path = format!("/apis/forkable.dev/v1alpha1/namespaces/{}/deployments", self.space.name);
        let list = self.space.cluster.get(&path).await;
        let name = |release: &Value| release["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let releases = list["items"].as_array().into_iter().flatten();
        releases.map(|release| (name(release), release["status"].clone())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_survives_abort_and_kill_9_in_every_phase() {
    let installed = Installed::new("releases").await;
    let cluster = installed.space.cluster;
    let token = cluster.token(&installed.space.name, NAME).await;
    let cells = Cell::all();
    let spaces: Vec<_> = stream::iter(&cells).map(|_| cluster.namespace("rollout")).buffer_unordered(4).collect().await;
    installed.serves(&spaces.iter().collect::<Vec<_>>()).await;
    let (installed, token) = (&installed, token.as_str());
    let results: Vec<_> = stream::iter(cells.into_iter().zip(spaces))
        .map(|(cell, space)| async move {
            let lane = Lane::new(installed, token, space);
            cell.survives(&lane).await.map_err(|error| format!("{cell:?}: {error}"))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    println!("{} cells", results.len());
    assert!(failures.is_empty(), "{} of {} cells failed:\n{}", failures.len(), results.len(), failures.join("\n\n"));
}
