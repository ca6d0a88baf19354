//! Loading a folder: which objects its files declare, which are unclear at the moment, and what is wrong.
//!
//! Nothing here remembers what was there before: that is in `known`, what was accepted earlier and from which file.
//! A file that cannot be read whole *holds* what it declared before, and a manifest that is refused holds its object:
//! both stay as they are, and neither counts as deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;

use super::files::{Content, FileError, Files};
use crate::admission::{
    Admission,
    manifest::{Document, Position},
};

/// Kind, namespace and name of an object in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Id {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for Id {
    /// As an `ObjectRef` prints: `fork/acme`, with the namespace in front unless it is `default`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace != "default" {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}/{}", self.kind.to_ascii_lowercase(), self.name)
    }
}

/// An object that was accepted earlier.
pub(super) struct Known {
    /// The file that declared it.
    pub(super) source: String,
    /// The object, unless it is a Secret or ConfigMap, which have no rules about transitions.
    pub(super) object: Option<Value>,
}

/// An accepted manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) id: Id,
    pub(super) object: Value,
    pub(super) source: String,
}

/// What a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// CamelCase, for machines: `InvalidManifest`, `DuplicateManifest`, `UnreadableFile`, `UnreadableFolder`,
    /// `MassChangeBlocked` or `StillDeclared`.
    pub reason: &'static str,
    /// File in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The objects that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Id>,
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl Problem {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, file: None, line: None, column: None, objects: Vec::new(), message: message.into() }
    }

    fn at(self, file: &str, position: Position) -> Self {
        Self { line: Some(position.line), column: Some(position.column), ..self.of(file) }
    }

    fn of(self, file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    fn about(mut self, id: &Id) -> Self {
        self.objects.push(id.clone());
        self
    }
}

/// What a readable folder says.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) manifests: Vec<Manifest>,
    /// Objects that are declared but not acceptable at the moment, or whose file cannot be read.
    pub(super) held: BTreeSet<Id>,
    pub(super) problems: Vec<Problem>,
    /// No file has anything in it, readable or not.
    pub(super) empty: bool,
}

/// A folder of manifests.
pub(super) struct Folder {
    root: PathBuf,
    files: Files,
    /// Raw and admitted form of what was admitted last, so that an unchanged manifest is not admitted again.
    admitted: BTreeMap<Id, (Value, Value)>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, files: Files::default(), admitted: BTreeMap::new() }
    }

    /// Whether the folder is there: without it, neither are the manifests nor, as it holds that too, the state.
    ///
    /// # Errors
    /// A problem, if it is not.
    pub(super) fn probe(&self) -> Result<(), Problem> {
        std::fs::read_dir(&self.root).map(drop).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &std::io::Error) -> Problem {
        let message = format!("{} cannot be read, so nothing was changed: {error}", self.root.display());
        Problem::new("UnreadableFolder", message)
    }

    /// Whether nothing changed on disk since the last load.
    pub(super) fn is_current(&self) -> bool {
        self.files.is_current(&self.root)
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// A problem, if the folder itself cannot be read: then it says nothing about any object.
    pub(super) fn load(&mut self, admission: &Admission, known: &BTreeMap<Id, Known>) -> Result<Load, Problem> {
        let files = self.files.read(&self.root).map_err(|error| self.unreadable(&error))?;
        Ok(self.sort_out(&files, admission, known))
    }

    /// Decides what these files, in order of their names, say together.
    pub(super) fn sort_out(
        &mut self,
        files: &[(String, Content)],
        admission: &Admission,
        known: &BTreeMap<Id, Known>,
    ) -> Load {
        let mut load = Load {
            empty: files.iter().all(|(_, content)| content.as_ref().is_ok_and(|d| d.is_empty())),
            ..Load::default()
        };
        let mut declared: BTreeMap<Id, Vec<(&str, &Document)>> = BTreeMap::new();
        for (source, content) in files {
            match content {
                Ok(documents) => sort(admission, source, documents, known, &mut declared, &mut load),
                Err(error) => hold_file(source, error, known, &mut load),
            }
        }
        for (id, places) in declared {
            self.choose(admission, known, id, &places, &mut load);
        }
        self.admitted.retain(|id, _| known.contains_key(id) || load.manifests.iter().any(|m| m.id == *id));
        load
    }

    /// Decides which of several manifests of one object counts, and admits it.
    fn choose(
        &mut self,
        admission: &Admission,
        known: &BTreeMap<Id, Known>,
        id: Id,
        places: &[(&str, &Document)],
        load: &mut Load,
    ) {
        let before = known.get(&id);
        // The one that was accepted earlier goes on counting; else the first by file name, as `places` is sorted.
        let winner = before.and_then(|b| places.iter().position(|(source, _)| *source == b.source)).unwrap_or(0);
        let (source, document) = places[winner];
        for (_, (other, double)) in places.iter().enumerate().filter(|(i, _)| *i != winner) {
            let message = format!("{id} is declared in {source}:{} too, and that one counts", document.start.line);
            load.problems.push(Problem::new("DuplicateManifest", message).at(other, double.start).about(&id));
        }
        let old = before.and_then(|known| known.object.as_ref());
        let cached = self.admitted.get(&id).filter(|(raw, admitted)| {
            *raw == document.value && old.is_none_or(|old| old.get("spec") == admitted.get("spec"))
        });
        let admitted = match cached {
            Some((_, admitted)) => Ok(admitted.clone()),
            None => admission.admit(document.value.clone(), old),
        };
        match admitted {
            Ok(object) => {
                self.admitted.insert(id.clone(), (document.value.clone(), object.clone()));
                load.manifests.push(Manifest { id, object, source: source.to_owned() });
            }
            Err(refused) => {
                self.admitted.remove(&id);
                if before.is_none() {
                    // It may be a known object under a name or namespace that is wrong.
                    load.held.extend(declared_by(known, source));
                }
                let position = document.position(refused.field().unwrap_or_default());
                let problem = Problem::new("InvalidManifest", refused.to_string()).at(source, position).about(&id);
                load.problems.push(problem);
                load.held.insert(id);
            }
        }
    }
}

/// Puts the documents of a file under the objects that they declare.
fn sort<'a>(
    admission: &Admission,
    source: &'a str,
    documents: &'a [Document],
    known: &BTreeMap<Id, Known>,
    declared: &mut BTreeMap<Id, Vec<(&'a str, &'a Document)>>,
    load: &mut Load,
) {
    let mut nameless = false;
    for document in documents {
        if let Some(id) = id(admission, &document.value) {
            declared.entry(id).or_default().push((source, document));
            continue;
        }
        nameless = true;
        // It is refused for its name, kind or version, which admission says best.
        if let Err(refused) = admission.admit(document.value.clone(), None) {
            let position = document.position(refused.field().unwrap_or_default());
            load.problems.push(Problem::new("InvalidManifest", refused.to_string()).at(source, position));
        }
    }
    let before = declared_by(known, source);
    if nameless {
        // One of them may have lost its name.
        load.held.extend(before);
    } else if documents.is_empty() && !before.is_empty() {
        let message = "the file is empty, so what it declared stays as it is: delete the file to delete that";
        let mut problem = Problem::new("UnreadableFile", message).of(source);
        problem.objects.clone_from(&before);
        load.problems.push(problem);
        load.held.extend(before);
    }
}

/// Holds what a file declared that cannot be read now.
fn hold_file(source: &str, error: &FileError, known: &BTreeMap<Id, Known>, load: &mut Load) {
    let before = declared_by(known, source);
    if let Some(message) = error.message() {
        let mut problem = Problem::new("UnreadableFile", message).of(source);
        if let FileError::Syntax(syntax) = error {
            problem = problem.at(source, syntax.position);
        }
        problem.objects.clone_from(&before);
        load.problems.push(problem);
    }
    load.held.extend(before);
}

/// What a file declared earlier, or the files in a folder.
fn declared_by(known: &BTreeMap<Id, Known>, source: &str) -> Vec<Id> {
    let is_inside = |file: &str| file.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    known.iter().filter(|(_, known)| is_inside(&known.source)).map(|(id, _)| id.clone()).collect()
}

/// Which object a document is about, if it says so in a form that can be trusted.
fn id(admission: &Admission, value: &Value) -> Option<Id> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = text("/kind")?;
    if !admission.knows(text("/apiVersion")?, kind) {
        return None;
    }
    let namespace = text("/metadata/namespace").unwrap_or("default");
    Some(Id { kind: kind.to_owned(), namespace: namespace.to_owned(), name: text("/metadata/name")?.to_owned() })
}
