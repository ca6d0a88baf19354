//! Git's object model: blobs, trees and commits under the very names that git gives them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

/// An object's name: 40 hex digits.
pub type Sha = String;

/// Files by path: mode and blob.
pub type Files = BTreeMap<String, (String, Sha)>;

/// A line of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `100644`, `100755`, `120000`, `160000` or `40000`.
    pub mode: String,
    /// One path segment.
    pub name: String,
    /// The blob or tree.
    pub sha: Sha,
}

impl Entry {
    /// Whether it is a folder.
    pub fn is_tree(&self) -> bool {
        self.mode == "40000"
    }
}

/// Who did it, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A person's name.
    pub name: String,
    /// Their address, by which GitHub finds the account.
    pub email: String,
    /// Whole seconds count.
    pub date: Timestamp,
}

impl Signature {
    fn line(&self) -> String {
        format!("{} <{}> {} +0000", self.name, self.email, self.date.as_second())
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The root folder.
    pub tree: Sha,
    /// None for the first commit.
    pub parents: Vec<Sha>,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// Headline, and after an empty line the body.
    pub message: String,
}

/// A blob, a tree or a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Object {
    /// A file's bytes.
    Blob(#[serde(with = "base64_bytes")] Vec<u8>),
    /// A folder, sorted as git sorts.
    Tree(Vec<Entry>),
    /// A commit.
    Commit(Commit),
}

mod base64_bytes {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// The objects of all repositories; which of them a repository has is the repository's own set.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Store(BTreeMap<Sha, Object>);

/// The name that git gives to these bytes.
pub fn hash(kind: &str, bytes: &[u8]) -> Sha {
    let mut hasher = Sha1::new();
    hasher.update(format!("{kind} {}\0", bytes.len()));
    hasher.update(bytes);
    hex::encode(hasher.finalize())
}

impl Store {
    /// The object of that name.
    pub fn get(&self, sha: &str) -> Option<&Object> {
        self.0.get(sha)
    }

    /// A blob's bytes.
    pub fn blob(&self, sha: &str) -> Option<&[u8]> {
        match self.0.get(sha)? {
            Object::Blob(bytes) => Some(bytes),
            Object::Tree(_) | Object::Commit(_) => None,
        }
    }

    /// A tree's lines.
    pub fn tree(&self, sha: &str) -> Option<&[Entry]> {
        match self.0.get(sha)? {
            Object::Tree(entries) => Some(entries),
            Object::Blob(_) | Object::Commit(_) => None,
        }
    }

    /// A commit.
    pub fn commit(&self, sha: &str) -> Option<&Commit> {
        match self.0.get(sha)? {
            Object::Commit(commit) => Some(commit),
            Object::Blob(_) | Object::Tree(_) => None,
        }
    }

    /// Stores a blob.
    pub fn put_blob(&mut self, bytes: &[u8]) -> Sha {
        let sha = hash("blob", bytes);
        self.0.entry(sha.clone()).or_insert_with(|| Object::Blob(bytes.to_vec()));
        sha
    }

    /// Stores a tree; sorts its lines.
    pub fn put_tree(&mut self, mut entries: Vec<Entry>) -> Sha {
        // Git compares folder names as if they ended with a slash.
        entries.sort_by_key(|entry| if entry.is_tree() { format!("{}/", entry.name) } else { entry.name.clone() });
        let mut bytes = Vec::new();
        for entry in &entries {
            bytes.extend_from_slice(format!("{} {}\0", entry.mode, entry.name).as_bytes());
            bytes.extend(hex::decode(&entry.sha).expect("names of objects are hex"));
        }
        let sha = hash("tree", &bytes);
        self.0.insert(sha.clone(), Object::Tree(entries));
        sha
    }

    /// Stores a commit.
    pub fn put_commit(&mut self, commit: Commit) -> Sha {
        use std::fmt::Write as _;
        let mut text = format!("tree {}\n", commit.tree);
        for parent in &commit.parents {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "parent {parent}");
        }
        let _ = write!(text, "author {}\ncommitter {}\n\n", commit.author.line(), commit.committer.line());
        text.push_str(&commit.message);
        let sha = hash("commit", text.as_bytes());
        self.0.insert(sha.clone(), Object::Commit(commit));
        sha
    }

    /// All files below a tree, by path.
    pub fn files(&self, tree: &str) -> Files {
        let mut files = Files::new();
        self.walk(tree, "", &mut |path, entry| {
            if !entry.is_tree() {
                files.insert(path.to_owned(), (entry.mode.clone(), entry.sha.clone()));
            }
        });
        files
    }

    /// Visits everything below a tree, folders before what is in them.
    pub fn walk(&self, tree: &str, prefix: &str, visit: &mut impl FnMut(&str, &Entry)) {
        for entry in self.tree(tree).unwrap_or_default() {
            let path = format!("{prefix}{}", entry.name);
            visit(&path, entry);
            if entry.is_tree() {
                self.walk(&entry.sha, &format!("{path}/"), visit);
            }
        }
    }

    /// Stores the trees that hold these files, and returns the root.
    pub fn put_files(&mut self, files: &Files) -> Sha {
        let mut entries = Vec::new();
        let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
        for (path, (mode, sha)) in files {
            match path.split_once('/') {
                Some((folder, rest)) => {
                    folders.entry(folder).or_default().insert(rest.to_owned(), (mode.clone(), sha.clone()));
                }
                None => entries.push(Entry { mode: mode.clone(), name: path.clone(), sha: sha.clone() }),
            }
        }
        for (name, files) in folders {
            let sha = self.put_files(&files);
            entries.push(Entry { mode: "40000".to_owned(), name: name.to_owned(), sha });
        }
        self.put_tree(entries)
    }

    /// The entry at `path` below a tree; the empty path is no entry.
    pub fn at(&self, tree: &str, path: &str) -> Option<&Entry> {
        let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let entry = self.tree(tree)?.iter().find(|entry| entry.name == name)?;
        match rest {
            Some(rest) => self.at(&entry.sha, rest),
            None => Some(entry),
        }
    }

    /// Adds to `known` all that can be reached from `sha` and is not there yet.
    pub fn reach(&self, sha: &str, known: &mut BTreeSet<Sha>) {
        let mut open = vec![sha.to_owned()];
        while let Some(sha) = open.pop() {
            if !known.insert(sha.clone()) {
                continue;
            }
            match self.0.get(&sha) {
                Some(Object::Commit(commit)) => {
                    open.push(commit.tree.clone());
                    open.extend(commit.parents.iter().cloned());
                }
                Some(Object::Tree(entries)) => open.extend(entries.iter().map(|entry| entry.sha.clone())),
                Some(Object::Blob(_)) | None => {}
            }
        }
    }

    /// The commits from `head` back, newest first, each once.
    pub fn history(&self, head: &str) -> Vec<Sha> {
        let mut seen = BTreeSet::new();
        let mut open = vec![head.to_owned()];
        let mut list = Vec::new();
        while let Some(sha) = open.pop() {
            let Some(commit) = self.commit(&sha) else {
                continue;
            };
            if seen.insert(sha.clone()) {
                open.extend(commit.parents.iter().rev().cloned());
                list.push((commit.committer.date, sha));
            }
        }
        // Stable: within a second the walk's order, children before parents, stays.
        list.sort_by_key(|(date, _)| std::cmp::Reverse(date.as_second()));
        list.into_iter().map(|(_, sha)| sha).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Commit, Entry, Files, Signature, Store};

    #[test]
    fn objects_have_the_names_that_git_gives_them() {
        let mut store = Store::default();
        // `printf hello | git hash-object --stdin`, and the well-known empty tree.
        assert_eq!(store.put_blob(b"hello"), "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
        assert_eq!(store.put_tree(Vec::new()), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        let date = jiff::Timestamp::from_second(1_700_000_000).expect("in range");
        let who = Signature { name: "A".to_owned(), email: "a@example.com".to_owned(), date };
        let commit = Commit {
            tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(),
            parents: Vec::new(),
            author: who.clone(),
            committer: who,
            message: "m\n".to_owned(),
        };
        assert_eq!(store.put_commit(commit), EXPECTED_COMMIT);
    }

    /// `GIT_*_DATE='1700000000 +0000' git commit-tree 4b825dc6… -m m` by `A <a@example.com>`.
    const EXPECTED_COMMIT: &str = "09b06bdf26f5cfbf2fc072a5ccd51cca0016f000";

    #[test]
    fn folders_sort_as_git_sorts_them() {
        let mut store = Store::default();
        let blob = store.put_blob(b"");
        let files: Files =
            ["a.b", "a/x", "a0"].map(|path| (path.to_owned(), ("100644".to_owned(), blob.clone()))).into();
        let tree = store.put_files(&files);
        let names: Vec<_> = store.tree(&tree).expect("stored").iter().map(|entry: &Entry| &*entry.name).collect();
        assert_eq!(names, ["a.b", "a", "a0"]);
        assert_eq!(store.files(&tree), files);
    }
}
