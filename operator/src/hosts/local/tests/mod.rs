//! The local host on real folders and real SQLite files.

mod brake;
mod folder;
mod store;
mod watcher;

use std::{fs, path::Path, sync::Arc, time::Duration};

use forkable_core::{
    Secret,
    store::{Kind, Store as _},
};
use forkable_crds::{Deployment, Fork};
use serde_json::json;
use tempfile::TempDir;

use super::{LocalHost, LocalStore, Problem};

/// Long enough for two looks, short enough for a test.
const SETTLE: Duration = Duration::from_millis(30);

/// A folder and the host that works on it.
struct World {
    dir: TempDir,
    host: Option<LocalHost>,
}

impl World {
    /// A folder with these files, taken over.
    async fn new(files: &[(&str, String)]) -> Self {
        let mut world = Self { dir: tempfile::tempdir().expect("a temporary folder"), host: None };
        for (name, text) in files {
            world.write(name, text);
        }
        world.restart().await;
        let problems = world.load().await;
        assert!(problems.is_empty(), "{problems:?}");
        world
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("the file is there");
    }

    /// Ends the host as a killed process would, and starts another.
    async fn restart(&mut self) {
        self.host = None;
        let host = LocalHost::with_times(self.path(), SETTLE, SETTLE).await.expect("the folder can be opened");
        self.host = Some(host);
    }

    /// Looks at the folder until nothing is undecided.
    async fn load(&mut self) -> Vec<Problem> {
        self.host.as_mut().expect("started").load().await.expect("the store works")
    }

    fn store(&self) -> LocalStore {
        self.host.as_ref().expect("started").store()
    }

    async fn forks(&self) -> Vec<String> {
        let forks = self.store().list::<Fork>().await.expect("the store works");
        forks.iter().map(|fork| fork.name().to_owned()).collect()
    }

    async fn fork(&self, name: &str) -> Arc<Fork> {
        self.store().get("default", name).await.expect("the store works").expect("the fork is there")
    }

    /// The value that is stored for the Fork `acme`, the candidate if there is none yet.
    async fn generated(&self, name: &str, candidate: &str) -> String {
        let candidates = [(name.to_owned(), Secret::new(candidate))].into();
        let values = self.store().generated(&*self.fork("acme").await, candidates).await.expect("stored");
        values[name].expose().to_owned()
    }
}

fn manifest(name: &str) -> String {
    named(name, "Acme")
}

fn named(name: &str, display_name: &str) -> String {
    format!(
        "apiVersion: forkable.dev/v1alpha1\nkind: Fork\nmetadata: {{name: {name}}}\nspec:\n  displayName: {display_name}\n  \
         template: {{owner: forkable-ai, repo: framework}}\n  repository: {{owner: acme-inc, name: {name}}}\n  \
         project: {{name: {name}}}\n"
    )
}

fn secret(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{token: \"{value}\"}}\n")
}

/// A release as the program makes it.
fn release(owner: &Fork, name: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "namespace": "default",
            "ownerReferences": [{"apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "name": "acme", "uid": owner.uid()}],
        },
        "spec": {"forkRef": {"name": "acme"}, "source": {"ref": "main"}},
    }))
    .expect("a release")
}

/// Problems as people see them.
fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {problem}", problem.reason)).collect()
}
