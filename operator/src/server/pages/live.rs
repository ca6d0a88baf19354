//! News for pages that are open: that something changed, not what. The page then asks for itself anew.
//!
//! A stream ends before its connection has to, and the browser begins another one by itself.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use forkable_core::store::Store;
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::server::Server;

/// How long one stream lasts: less than a connection.
const LONGEST: Duration = Duration::from_secs(45);
/// Time between two pieces of news.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a browser waits before it begins another stream.
const AGAIN: Duration = Duration::from_secs(2);
/// The same while there are too many.
const MUCH_LATER: Duration = Duration::from_secs(30);
/// Streams at one time: well below the connections that there may be.
pub(super) const STREAMS: usize = 96;

/// What a stream goes on with.
struct Following {
    changes: watch::Receiver<u64>,
    ends: Instant,
    /// The first piece is sent at once: what changed since the page was made is not missed.
    is_new: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn events<S: Store>(
    State(server): State<Arc<Server<S>>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let place = server.pages.streams.clone().try_acquire_owned().ok();
    let ending = server.ending.clone();
    let following = place.map(|place| Following {
        changes: server.context.fleet.changes(),
        ends: Instant::now() + LONGEST,
        is_new: true,
        _place: place,
    });
    let first = match following {
        Some(_) => Event::default().retry(AGAIN).comment("live"),
        None => Event::default().retry(MUCH_LATER).comment("too many pages are open"),
    };
    let rest = stream::unfold(following, move |following| {
        let ending = ending.clone();
        async move {
            let mut following = following?;
            if !following.is_new {
                tokio::select! {
                    () = ending.cancelled() => return None,
                    () = tokio::time::sleep_until(following.ends.into()) => return None,
                    changed = following.changes.changed() => changed.ok()?,
                }
                // What comes right after is told with it.
                tokio::select! {
                    () = ending.cancelled() => return None,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            following.is_new = false;
            Some((Event::default().event("change").data("look again"), Some(following)))
        }
    });
    let stream = futures::StreamExt::chain(stream::iter([first]), rest);
    Sse::new(futures::StreamExt::map(stream, Ok))
}
