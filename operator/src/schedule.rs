//! When each object is tried next, kept in a file for `forkable why`. Losing it loses nothing else.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use forkable_core::store::ObjectRef;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// How long changes are gathered before the file is written.
const GATHER: Duration = Duration::from_millis(300);

/// When each object wants its next pass without being told to.
#[derive(Debug, Default)]
pub struct Schedule(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: BTreeMap<ObjectRef, Timestamp>,
    dirty: bool,
}

impl Schedule {
    pub(crate) fn note(&self, object: &ObjectRef, next: Option<Timestamp>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match next {
            Some(at) => state.next.insert(object.clone(), at),
            None => state.next.remove(object),
        };
        state.dirty |= before != next;
    }

    /// Keeps the file as the schedule is, until `shutdown`.
    pub async fn keep(&self, file: PathBuf, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(GATHER)).await.is_some() {
            self.write(&file);
        }
        self.write(&file);
    }

    fn write(&self, file: &Path) {
        let text = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut state.dirty) {
                return;
            }
            let next: BTreeMap<_, _> = state.next.iter().map(|(object, at)| (object.to_string(), at)).collect();
            serde_json::to_vec(&next)
        };
        let draft = file.with_extension("tmp");
        let written = text.map_err(std::io::Error::other).and_then(|text| {
            std::fs::write(&draft, text)?;
            std::fs::rename(&draft, file)
        });
        if let Err(error) = written {
            tracing::warn!(%error, file = %file.display(), "the schedule cannot be written");
        }
    }

    /// When an object is tried next, as far as the file tells.
    pub fn read(file: &Path, object: &ObjectRef) -> Option<Timestamp> {
        let next: BTreeMap<String, Timestamp> = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        next.get(&object.to_string()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_says_what_was_noted_last() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("schedule.json");
        let object = |name: &str| ObjectRef::new("Fork", "default", name);
        let schedule = Schedule::default();
        schedule.note(&object("a"), Some(Timestamp::UNIX_EPOCH));
        schedule.note(&object("b"), Some(Timestamp::UNIX_EPOCH));
        schedule.note(&object("b"), None);
        let stopped = CancellationToken::new();
        stopped.cancel();
        schedule.keep(file.clone(), stopped).await;
        assert_eq!(Schedule::read(&file, &object("a")), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(Schedule::read(&file, &object("b")), None);
        assert_eq!(Schedule::read(&folder.path().join("none"), &object("a")), None);
    }
}
