//! The folder of one machine: its state is read beside the process that works on it, and manifests are edited as a
//! person would.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use forkable_core::{
    Secret,
    store::{Kind, ObjectRef, Store as _},
};
use forkable_crds::{ADOPT_ANNOTATION, Deployment};
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::{
    Edit, Edited, Listed,
    manifest::{self, Field},
};
use crate::{
    admission::Admission,
    hosts::local::{Event, Id, Preview, Reader, declaration, id_of},
};

/// How often a folder is read again for `--watch`.
const POLL: Duration = Duration::from_millis(500);

/// A folder that `forkable up` works on.
pub(in crate::cli) struct Folder {
    dir: PathBuf,
    /// Whether a person named it; else it is the current one.
    named: bool,
    namespace: Option<String>,
}

impl Folder {
    pub(in crate::cli) fn new(dir: PathBuf, named: bool, namespace: Option<String>) -> Self {
        Self { dir, named, namespace }
    }

    pub(in crate::cli) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(in crate::cli) fn is_named(&self) -> bool {
        self.named
    }

    pub(super) fn place(&self) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("namespace {namespace} of "));
        format!("in {}the folder {}", namespace.unwrap_or_default(), self.dir.display())
    }

    /// Namespace of names that come without one.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    pub(super) fn shows_namespaces<K: Kind>(&self, objects: &[Arc<K>]) -> bool {
        self.namespace.is_none() && objects.iter().any(|object| object.namespace() != "default")
    }

    pub(super) async fn get<K: Listed>(&self, namespace: &str, name: &str) -> anyhow::Result<Option<Arc<K>>> {
        Ok(Reader::open(&self.dir).await?.get(namespace, name).await?.map(Arc::new))
    }

    /// An object as a manifest declares it. If none does, a file that cannot be read is an error: it may.
    pub(super) async fn declared<K: Listed>(&self, namespace: &str, name: &str) -> anyhow::Result<Option<Arc<K>>> {
        let id = Id { kind: K::KIND.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() };
        let found = declaration(&self.dir, &id).with_context(|| format!("reading {}", self.dir.display()))?;
        let Some((path, document)) = found else {
            let (_, problems) = Preview::open(std::slice::from_ref(&self.dir), None).await?;
            match problems.iter().find(|problem| problem.objects.is_empty()) {
                Some(problem) => bail!("{} {problem}", problem.reason),
                None => return Ok(None),
            }
        };
        let place = || format!("{}:{}", path.display(), document.start.line);
        let object =
            Admission::new().admit(document.value.clone(), None).map_err(anyhow::Error::new).with_context(place)?;
        Ok(Some(Arc::new(K::from_json(&object).with_context(place)?)))
    }

    /// The values of a Secret that a manifest declares.
    pub(super) async fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<Option<BTreeMap<String, Secret>>> {
        let (manifests, _) = Preview::open(std::slice::from_ref(&self.dir), None).await?;
        Ok(manifests.secret(namespace, name).await?)
    }

    pub(super) async fn list<K: Listed>(&self) -> anyhow::Result<Vec<Arc<K>>> {
        let objects = Reader::open(&self.dir).await?.list::<K>().await?;
        let asked = |object: &K| self.namespace.as_ref().is_none_or(|name| *name == object.namespace());
        Ok(objects.into_iter().filter(asked).map(Arc::new).collect())
    }

    pub(super) fn watch<K: Listed>(&self) -> BoxStream<'_, anyhow::Result<Arc<K>>> {
        let seen: HashMap<ObjectRef, String> = HashMap::new();
        let first = tokio::time::interval(POLL);
        stream::unfold((first, seen), async |(mut next, mut seen)| {
            next.tick().await;
            let changed = self.list::<K>().await.map(|objects| {
                let version = |object: &K| Kind::meta(object).resource_version.clone().unwrap_or_default();
                let is_new = |object: &Arc<K>| {
                    let version = version(object);
                    seen.insert(object.reference(), version.clone()).as_ref() != Some(&version)
                };
                objects.into_iter().filter(is_new).collect::<Vec<_>>()
            });
            let items = match changed {
                Ok(objects) => objects.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            Some((stream::iter(items), (next, seen)))
        })
        .flatten()
        .boxed()
    }

    pub(super) async fn events(&self, object: &ObjectRef) -> anyhow::Result<Vec<Event>> {
        Ok(Reader::open(&self.dir).await?.events(object).await?)
    }

    /// Writes the manifest of a release; answers what a person should know.
    pub(super) fn create(&self, release: &Deployment) -> anyhow::Result<String> {
        let path = self.dir.join(format!("{}.yaml", release.name()));
        let text = crate::cli::state::yaml(release)?;
        ensure!(!path.exists(), "{} is there already", path.display());
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(format!("{} says so; commit it if manifests are kept in Git", path.display()))
    }

    /// Edits the manifest in place where that is sure to change nothing else; else says what to write.
    pub(super) fn edit(&self, fork: &ObjectRef, edit: &Edit) -> anyhow::Result<Edited> {
        let found = declaration(&self.dir, &id_of(fork)).with_context(|| format!("reading {}", self.dir.display()))?;
        let Some((path, document)) = found else {
            bail!("no readable manifest in {} declares {fork}", self.dir.display())
        };
        let field = match edit {
            Edit::Suspend(suspend) => Field { path: &["spec", "suspend"], value: Some(json!(suspend)) },
            Edit::Resume => Field { path: &["spec", "suspend"], value: None },
            Edit::Adopt => {
                Field { path: &["metadata", "annotations", ADOPT_ANNOTATION], value: Some(Value::from("true")) }
            }
        };
        let failed = || format!("editing {}", path.display());
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let text = fs::read_to_string(&path).with_context(failed)?;
        let edited = if is_json { None } else { manifest::edited(&text, &document, &field) };
        Ok(match edited {
            Some(next) => {
                replace(&path, &next).with_context(failed)?;
                Edited::Done(format!("{} says so now; commit it if it is kept in Git", path.display()))
            }
            None => Edited::ByHand(by_hand(&path, document.start.line, &field)),
        })
    }
}

/// What a person has to write.
fn by_hand(path: &Path, line: usize, field: &Field<'_>) -> String {
    let (Some((key, parents)), place) = (field.path.split_last(), format!("{}:{line}", path.display())) else {
        return String::new();
    };
    match &field.value {
        None => format!("{place}: take {} away", field.path.join(".")),
        Some(value) => {
            let lines: Vec<_> = manifest::lines(key, value).iter().map(|line| format!("  {line}")).collect();
            format!("{place}: write under {}\n{}", parents.join("."), lines.join("\n"))
        }
    }
}

/// Replaces a file at once, so that nobody reads half of it; a link goes on leading to it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that it is no manifest.
    let draft = path.with_file_name(format!(".{name}.forkable"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // The file may hold Secrets too.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(text.as_bytes())?;
    fs::set_permissions(&draft, fs::metadata(&path)?.permissions())?;
    fs::rename(&draft, &path)
}
