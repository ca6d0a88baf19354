//! Where an object is declared, for commands that help people with their manifests.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{files::Files, folder::Id};
use crate::admission::manifest::Document;

/// The file that declares an object and the document that does it, with the path as it can be opened; the first by
/// name of the file, if there are several. Files that cannot be read declare nothing.
///
/// # Errors
/// The folder cannot be read.
pub fn declaration(root: &Path, object: &Id) -> io::Result<Option<(PathBuf, Document)>> {
    let is_it = |document: &&Document| {
        let text = |pointer: &str| document.value.pointer(pointer).and_then(serde_json::Value::as_str);
        let namespace = text("/metadata/namespace").filter(|namespace| !namespace.is_empty()).unwrap_or("default");
        (text("/kind"), text("/metadata/name"), namespace)
            == (Some(object.kind.as_str()), Some(object.name.as_str()), object.namespace.as_str())
    };
    let files = Files::default().read(root)?;
    Ok(files.into_iter().find_map(|(source, content)| {
        let document = content.ok()?.iter().find(is_it)?.clone();
        Some((root.join(source), document))
    }))
}
