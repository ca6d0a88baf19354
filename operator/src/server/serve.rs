//! Takes connections and answers them, so that no client can hold up the others: heads, bodies and whole connections
//! have deadlines, and there are only so many connections.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at one time; more wait until one ends.
pub(super) const CONNECTIONS: usize = 256;
/// How long a client may take to send the head of a request, and how long a connection may rest between two.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last, for clients that do not take their answers.
const CONNECTION: Duration = Duration::from_mins(1);
/// How long answers that were begun may take after that, or after the process was told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long to rest when the machine has no room for one more connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Serves until `shutdown`.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let accepted = async {
        loop {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be taken");
                    tokio::time::sleep(NO_ROOM).await;
                    continue;
                }
            };
            let (router, shutdown) = (router.clone(), shutdown.clone());
            connections.spawn(async move {
                answer(stream, router, shutdown).await;
                drop(place);
            });
        }
    };
    shutdown.run_until_cancelled(accepted).await;
    connections.close();
    connections.wait().await;
}

async fn answer(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Small answers go out at once; a socket that cannot is as good as one that can.
    drop(stream.set_nodelay(true));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that went away or broke the rules is no concern of ours.
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(CONNECTION) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(GRACE, connection).await);
}
