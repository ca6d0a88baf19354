//! The folders of `deploy/examples`, and what their comments promise.

use std::path::{Path, PathBuf};

/// What a comment `# Becomes: …` says of the Fork below it: ready, or the reason why it is not.
#[derive(Debug, PartialEq)]
pub struct Promise {
    /// With its namespace before it, if it names one.
    pub fork: String,
    /// `Ready`, or `not Ready, ` and the reason.
    pub becomes: String,
}

/// Every folder of examples.
pub fn folders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut examples: Vec<_> = std::fs::read_dir(&folder)
        .expect("the examples are there")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    examples.sort();
    examples
}

/// The files of an example, by name.
pub fn manifests(example: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(example).expect("an example is a folder");
    // Whoever tried it has left the state of that beside it.
    let entries = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file()));
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a manifest is text"))
    };
    entries.map(|entry| read(entry.expect("a folder can be read").path())).collect()
}

/// What the comments of a file promise.
pub fn promises(text: &str) -> Vec<Promise> {
    let field = |document: &str, before: &str| {
        document.lines().find_map(|line| line.strip_prefix(before)).map(|value| value.trim().to_owned())
    };
    let promise = |document: &str| {
        let fork = field(document, "  name: ").expect("a Fork has a name");
        let becomes =
            field(document, "# Becomes: ").unwrap_or_else(|| panic!("{fork} does not say what becomes of it"));
        let namespace = field(document, "  namespace: ").map_or_else(String::new, |namespace| namespace + "/");
        Promise { fork: namespace + &fork, becomes }
    };
    text.split("\n---\n").filter(|document| document.lines().any(|line| line == "kind: Fork")).map(promise).collect()
}
