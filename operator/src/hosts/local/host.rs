//! The folder watcher: looks at the folder whenever something in it may have changed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use forkable_core::store::StoreError;
use notify::{EventKind, RecursiveMode, Watcher as _, event::AccessKind};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    database::OpenError,
    folder::Problem,
    store::LocalStore,
    sync::{SETTLE, Sync, Synced},
};

/// Editors write a file in several steps: wait until it is quiet for this long, but not longer than `MAX_DEBOUNCE`.
/// Short, as a half-written file does no harm; it only spares people a problem that is gone at once.
const DEBOUNCE: Duration = Duration::from_millis(20);
const MAX_DEBOUNCE: Duration = Duration::from_millis(500);

/// How often to look without being told: network folders and full queues tell nothing.
const POLL: Duration = Duration::from_secs(3);

/// The local host of one folder.
pub struct LocalHost {
    store: LocalStore,
    sync: Sync,
    root: PathBuf,
    poll: Duration,
    problems: watch::Sender<Vec<Problem>>,
}

impl LocalHost {
    /// Opens the folder for this process.
    ///
    /// # Errors
    /// It is no folder, or another process works on it, or its state cannot be used.
    pub async fn open(root: &Path) -> Result<Self, OpenError> {
        Self::with_times(root, SETTLE, POLL).await
    }

    pub(super) async fn with_times(root: &Path, settle: Duration, poll: Duration) -> Result<Self, OpenError> {
        let store = LocalStore::open(root).await?;
        let sync = Sync::new(store.clone(), root.to_owned(), settle);
        Ok(Self { store, sync, root: root.to_owned(), poll, problems: watch::Sender::default() })
    }

    /// The store of the folder's objects.
    pub fn store(&self) -> LocalStore {
        self.store.clone()
    }

    /// What a person should look at, as of the last look at the folder.
    pub fn problems(&self) -> watch::Receiver<Vec<Problem>> {
        self.problems.subscribe()
    }

    /// Looks at the folder until nothing is undecided: what `--once` and a start need. Answers the problems.
    ///
    /// # Errors
    /// The store failed.
    pub async fn load(&mut self) -> Result<Vec<Problem>, StoreError> {
        loop {
            let Synced { problems, again_in } = self.look(true).await?;
            match again_in {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Ok(problems),
            }
        }
    }

    /// Keeps the store as the folder says until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (hint, mut hints) = mpsc::channel(1);
        let mut folder = identity(&self.root);
        let mut watcher = watch_folder(&self.root, &hint);
        let mut anything = true;
        loop {
            let wait = match self.look(anything).await {
                Ok(synced) => synced.again_in.map_or(self.poll, |again| again.min(self.poll)),
                Err(error) => {
                    tracing::error!(%error, "the folder could not be taken over");
                    self.poll
                }
            };
            // A folder that went away and came back is another one: the old watch is dead.
            if watcher.is_none() || identity(&self.root) != folder {
                folder = identity(&self.root);
                watcher = folder.and_then(|_| watch_folder(&self.root, &hint));
            }
            anything = tokio::select! {
                () = stop.cancelled() => return,
                _ = hints.recv() => {
                    quiet(&mut hints).await;
                    true
                }
                () = self.store.0.removed.notified() => true,
                () = tokio::time::sleep(wait) => false,
            };
        }
    }

    /// Looks at the folder; `anything` says that something is known to have changed.
    pub(super) async fn look(&mut self, anything: bool) -> Result<Synced, StoreError> {
        let synced = self.sync.run(anything).await?;
        self.problems.send_if_modified(|problems| {
            let changed = *problems != synced.problems;
            problems.clone_from(&synced.problems);
            changed
        });
        Ok(synced)
    }
}

/// Which folder a path leads to; `None` if to none.
fn identity(root: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(root).ok().filter(std::fs::Metadata::is_dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        drop(metadata);
        Some((0, 0))
    }
}

/// Waits until no hint came for a while.
async fn quiet(hints: &mut mpsc::Receiver<()>) {
    let end = Instant::now() + MAX_DEBOUNCE;
    loop {
        tokio::select! {
            () = sleep_until(end) => return,
            hint = timeout(DEBOUNCE, hints.recv()) => match hint {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return,
            },
        }
    }
}

/// Sends a hint for each change of a file that may be a manifest. `None` if the folder cannot be watched: polling
/// still sees everything.
fn watch_folder(root: &Path, hint: &mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let (hint, base) = (hint.clone(), root.canonicalize().unwrap_or_else(|_| root.to_owned()));
    let root = base.clone();
    let handler = move |event: notify::Result<notify::Event>| {
        // An error may have swallowed an event.
        let relevant = event.map_or(true, |event| {
            let only_read = matches!(event.kind, EventKind::Access(kind) if !matches!(kind, AccessKind::Close(_)));
            !only_read && event.paths.iter().any(|path| !is_hidden(&base, path))
        });
        if relevant {
            // A full queue holds a hint already.
            let _ = hint.try_send(());
        }
    };
    let watched = notify::recommended_watcher(handler).and_then(|mut watcher| {
        watcher.watch(&root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watched.inspect_err(|error| tracing::warn!(%error, "the folder is not watched, only polled")).ok()
}

/// Whether a path leads through a hidden file or folder, such as our own state.
fn is_hidden(root: &Path, path: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().any(|part| part.as_os_str().to_str().is_some_and(|name| name.starts_with('.') && name != "."))
}
