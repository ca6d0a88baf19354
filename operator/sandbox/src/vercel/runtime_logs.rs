//! `GET /v1/projects/{projectId}/deployments/{deploymentId}/runtime-logs`: what visitors of a deployment cause, as it
//! happens, for five minutes. <https://vercel.com/docs/rest-api/logs/get-logs-for-a-deployment>

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, future, stream};
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::call::Call;
use super::problem::{Outcome, Problem};
use crate::middleware::GoesOn;
use crate::sandbox::Sandbox;

/// How long Vercel keeps an answer going. <https://vercel.com/docs/cli/logs>
const LENGTH: SignedDuration = SignedDuration::from_mins(5);
/// How often the sandbox's clock is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A request that a deployment answered.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) deployment: String,
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) at: Timestamp,
}

impl Visit {
    fn row(&self) -> Value {
        let failed = self.status >= 500;
        let at = self.at.as_millisecond();
        json!({
            "level": if failed { "error" } else { "info" },
            "message": if failed { "Error: This deployment does not work." } else { "" },
            "rowId": format!("{at}-{}", uuid::Uuid::new_v4().simple()),
            "source": "serverless",
            "timestampInMs": at,
            "domain": self.host,
            "messageTruncated": false,
            "requestMethod": self.method,
            "requestPath": self.path,
            "responseStatusCode": self.status,
        })
    }
}

/// Finds the deployment; the answer's body is its id.
pub(super) fn find(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let deployment = call.deployment(call.path("deploymentId"))?;
    if deployment.project != project.id {
        return Err(Problem::not_found("The deployment could not be found."));
    }
    Ok(json!(deployment.id).into())
}

/// The answer that goes on.
pub(super) fn follow(sandbox: &Arc<Sandbox>, deployment: String) -> Response {
    let visits = stream::unfold(sandbox.visits.subscribe(), async |mut visits| {
        loop {
            match visits.recv().await {
                Ok(visit) => return Some((visit, visits)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let own = visits.filter(move |visit| future::ready(visit.deployment == deployment));
    let lines = own.map(|visit| Ok::<_, Infallible>(format!("{}\n", visit.row())));
    let lines = lines.take_until(over(Arc::clone(sandbox)));
    let mut answer = ([(CONTENT_TYPE, "application/stream+json")], Body::from_stream(lines)).into_response();
    answer.extensions_mut().insert(GoesOn);
    answer
}

/// Waits until an answer that begins now has gone on long enough.
async fn over(sandbox: Arc<Sandbox>) {
    let end = sandbox.read(|_, now| now.saturating_add(LENGTH).unwrap_or(now));
    let looks = async {
        while sandbox.read(|_, now| now < end) {
            tokio::time::sleep(LOOK).await;
        }
    };
    sandbox.shutdown.run_until_cancelled(looks).await;
}
