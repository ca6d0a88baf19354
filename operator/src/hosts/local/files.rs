//! The files of a folder and what stands in them, read again only when they changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::admission::manifest::{self, Document, SyntaxError};

/// Bytes of a file; a manifest of an apiserver may have no more than 1.5 MiB.
const MAX_SIZE: u64 = 8 * 1024 * 1024;

/// A file that changed this recently may change again without its time or size telling.
const RACY: Duration = Duration::from_secs(1);

/// Reads of a file that changes while it is read.
const ATTEMPTS: usize = 3;

/// What stands in a file, or why nobody knows.
pub(super) type Content = Result<Arc<[Document]>, FileError>;

/// A file whose content is not known.
#[derive(Clone, Debug)]
pub(super) enum FileError {
    /// It is no YAML or JSON: half written, or wrong.
    Syntax(SyntaxError),
    Unreadable(String),
    /// It is being written at the moment.
    Unsettled,
}

impl FileError {
    /// What a person should know.
    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::Syntax(error) => Some(&error.message),
            Self::Unreadable(message) => Some(message),
            Self::Unsettled => None,
        }
    }
}

/// When a file changed last, as far as the file system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self { modified: metadata.modified()?, size: metadata.len(), inode })
    }

    fn is_old(&self) -> bool {
        SystemTime::now().duration_since(self.modified).is_ok_and(|age| age > RACY)
    }
}

/// The files of a folder.
#[derive(Default)]
pub(super) struct Files {
    /// What was read, of files that were not changing then.
    cache: BTreeMap<String, (Stamp, Content)>,
}

impl Files {
    /// Every manifest file under `root` by its path from there, in order of the paths. A subfolder that cannot be
    /// read stands for the files in it.
    ///
    /// # Errors
    /// The folder itself cannot be read.
    pub(super) fn read(&mut self, root: &Path) -> io::Result<Vec<(String, Content)>> {
        let mut paths = BTreeMap::new();
        walk(root, "", &mut BTreeSet::new(), &mut paths)?;
        let files: Vec<_> = paths
            .into_iter()
            .filter_map(|(source, path)| {
                let content = match path {
                    Ok(path) => self.content(&source, &path)?,
                    Err(error) => Err(FileError::Unreadable(error.to_string())),
                };
                Some((source, content))
            })
            .collect();
        self.cache.retain(|source, _| files.iter().any(|(present, _)| present == source));
        Ok(files)
    }

    /// One file, whatever its name.
    pub(super) fn read_one(path: &Path) -> Content {
        let size = fs::metadata(path).map_err(|error| FileError::Unreadable(error.to_string()))?.len();
        parse(path, size)
    }

    /// Whether a read would find the very same as the last one.
    pub(super) fn is_current(&self, root: &Path) -> bool {
        let mut paths = BTreeMap::new();
        walk(root, "", &mut BTreeSet::new(), &mut paths).is_ok()
            && paths.len() == self.cache.len()
            && paths.iter().zip(&self.cache).all(|((source, path), (known, (before, _)))| {
                source == known && path.as_ref().is_ok_and(|path| stamp(path).is_ok_and(|now| now == *before))
            })
    }

    /// `None` if the file is gone.
    fn content(&mut self, source: &str, path: &Path) -> Option<Content> {
        for _ in 0..ATTEMPTS {
            let before = match stamp(path) {
                Ok(stamp) => stamp,
                // A link to nowhere is a file that cannot be read; a file that went away meanwhile is none.
                Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                    return None;
                }
                Err(error) => return Some(Err(FileError::Unreadable(error.to_string()))),
            };
            if let Some((known, content)) = self.cache.get(source)
                && *known == before
            {
                return Some(content.clone());
            }
            let content = parse(path, before.size);
            if stamp(path).is_ok_and(|after| after == before) {
                self.cache.remove(source);
                if before.is_old() {
                    self.cache.insert(source.to_owned(), (before, content.clone()));
                }
                return Some(content);
            }
        }
        Some(Err(FileError::Unsettled))
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    Stamp::of(&fs::metadata(path)?)
}

fn parse(path: &Path, size: u64) -> Content {
    let unreadable = |error: io::Error| FileError::Unreadable(error.to_string());
    if size > MAX_SIZE {
        return Err(FileError::Unreadable(format!("the file has {size} bytes; {MAX_SIZE} is the most")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    manifest::read(name, &text).map(Arc::from).map_err(FileError::Syntax)
}

/// Collects the manifest files below `folder`, which is `prefix` from the root. Hidden files and folders are not ours;
/// links are followed, but no folder is entered twice.
fn walk(
    folder: &Path,
    prefix: &str,
    entered: &mut BTreeSet<PathBuf>,
    paths: &mut BTreeMap<String, io::Result<PathBuf>>,
) -> io::Result<()> {
    if !entered.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let source = format!("{prefix}{name}");
        let is_manifest = matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json"));
        if path.is_dir() {
            if let Err(error) = walk(&path, &format!("{source}/"), entered, paths) {
                paths.insert(source, Err(error));
            }
        } else if is_manifest {
            paths.insert(source, Ok(path));
        }
    }
    Ok(())
}
