//! What is shipped, without a cluster: the chart over a matrix of values, its README, and the kustomizations.

mod chart;
mod kubernetes;
mod kustomize;
mod monitoring;
mod readme;
mod refusals;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository is there")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document of a YAML text that says something.
fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\nin\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Runs a tool in the root of the repository.
fn run(tool: &str, arguments: &[&str]) -> Output {
    let path = forkable_tests::tool(tool);
    let started = Command::new(&path).args(arguments).current_dir(root()).output();
    started.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a tool that must succeed, and gives what it prints.
fn output(tool: &str, arguments: &[&str]) -> String {
    let output = run(tool, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("it prints text")
}
