//! Keeps one credential within the provider's limits: short waits are waited, long ones are answered at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use forkable_core::{PortError, error::Provider};
use futures::future::BoxFuture;
use http::StatusCode;
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::Service;

use super::{
    Answer, Call, Clock, Limits, Metrics, Window,
    quota::{Quota, moment, ours, retry_after},
};

/// The longest that a call waits for its turn; beyond it the caller is told when to come again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to keep quiet when the provider says "too much" and not for how long; doubles while it goes on.
const UNTOLD: Duration = Duration::from_mins(1);

pub(super) struct Budget {
    provider: Provider,
    metrics: Metrics,
    /// What `metrics` know it by.
    number: u64,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    state: Mutex<State>,
}

struct State {
    windows: Vec<Window>,
    quotas: HashMap<&'static str, Quota>,
    /// Nothing at all is sent before this.
    silent_until: Timestamp,
    /// Untold limits in a row.
    strikes: u32,
}

impl State {
    /// When a call may be sent: `None` is now.
    fn room(&mut self, now: Timestamp, call: &Call) -> Option<Timestamp> {
        let silence = Some(self.silent_until).filter(|until| *until > now);
        let quota = self.quotas.get(call.bucket).and_then(|quota| quota.room(now, call.priority));
        let windows = self.windows.iter_mut().filter_map(|window| window.room(now, call)).max();
        silence.max(quota).max(windows)
    }

    fn draw(&mut self, now: Timestamp, call: &Call) {
        for window in &mut self.windows {
            window.draw(now, call);
        }
        if let Some(quota) = self.quotas.get_mut(call.bucket) {
            quota.draw();
        }
    }
}

impl Budget {
    pub(super) fn new(limits: Limits, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        let Limits { provider, windows, concurrent } = limits;
        let state = State { windows, quotas: HashMap::new(), silent_until: Timestamp::UNIX_EPOCH, strikes: 0 };
        let number = metrics.budget();
        Self { provider, metrics, number, clock, places: Semaphore::new(concurrent), state: Mutex::new(state) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn exhausted(&self, bucket: &'static str, until: Timestamp) {
        self.state().quotas.insert(bucket, Quota::used_up(until));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is a whole one, so it is fine after a panic elsewhere.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits for the call's turn, or says when to come again.
    async fn admit(&self, call: &Call) -> Result<SemaphorePermit<'_>, PortError> {
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        let patient_until = self.now() + PATIENCE;
        loop {
            let now = self.now();
            let wait = {
                let mut state = self.state();
                let Some(until) = state.room(now, call) else {
                    state.draw(now, call);
                    return Ok(place);
                };
                if until > patient_until {
                    return Err(self.limited(until));
                }
                Duration::try_from(until.duration_since(now)).unwrap_or_default()
            };
            tokio::time::sleep(self.clock.real(wait).max(Duration::from_millis(1))).await;
        }
    }

    /// Learns from an answer; one that says "too much" becomes an error.
    fn learn(&self, bucket: &'static str, answer: &Answer) -> Result<(), PortError> {
        let now = self.now();
        let told = Quota::told(answer.headers(), now);
        let mut state = self.state();
        if let Some(told) = told {
            let quota = state.quotas.get(bucket).map_or(told, |quota| quota.learn(told));
            state.quotas.insert(bucket, quota);
            self.metrics.left(self.provider, bucket, self.number, quota, now);
        }
        let Some(limit) = Limit::of(self.provider, answer, told, now) else {
            if !answer.status().is_server_error() {
                state.strikes = 0;
            }
            return Ok(());
        };
        let until = limit.until.unwrap_or_else(|| {
            let until = now + UNTOLD * (1 << state.strikes.min(4));
            state.strikes += 1;
            until
        });
        if limit.is_of_bucket {
            state.quotas.insert(bucket, Quota::used_up(until));
        } else {
            state.silent_until = state.silent_until.max(until);
        }
        Err(self.limited(until))
    }

    fn limited(&self, until: Timestamp) -> PortError {
        PortError::RateLimited { provider: self.provider, until }
    }
}

/// A limit that an answer tells.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    /// Of this bucket only; otherwise of everything that the credential does.
    is_of_bucket: bool,
    /// `None`: it does not say.
    until: Option<Timestamp>,
}

impl Limit {
    fn of(provider: Provider, answer: &Answer, told: Option<Quota>, now: Timestamp) -> Option<Self> {
        let (status, headers) = (answer.status(), answer.headers());
        let retry_after = retry_after(headers, now);
        match provider {
            Provider::Vercel if status == StatusCode::TOO_MANY_REQUESTS => {
                let until = reset_in_body(answer, now).or(retry_after).or(told.map(|quota| quota.reset()));
                Some(Self { is_of_bucket: true, until: until.or(Some(now + UNTOLD)) })
            }
            Provider::GitHub if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::FORBIDDEN => {
                let used_up = told.filter(|quota| quota.remaining() == 0).map(|quota| quota.reset());
                if retry_after.is_some() {
                    Some(Self { is_of_bucket: false, until: retry_after })
                } else if used_up.is_some() {
                    Some(Self { is_of_bucket: true, until: used_up })
                } else if status == StatusCode::TOO_MANY_REQUESTS || is_secondary(answer) {
                    Some(Self { is_of_bucket: false, until: None })
                } else {
                    None
                }
            }
            Provider::GitHub | Provider::Vercel => None,
        }
    }
}

/// Vercel: `error.limit.reset`, in seconds or milliseconds since 1970.
fn reset_in_body(answer: &Answer, now: Timestamp) -> Option<Timestamp> {
    let body: serde_json::Value = serde_json::from_slice(answer.body()).ok()?;
    Some(ours(moment(body.pointer("/error/limit/reset")?.as_i64()?)?, answer.headers(), now))
}

/// GitHub's secondary limits are told apart from missing permissions by their words only.
fn is_secondary(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(answer.body()).to_lowercase();
    text.contains("secondary rate limit") || text.contains("abuse detection")
}

#[derive(Clone)]
pub(super) struct Budgeted<S> {
    inner: S,
    budget: Arc<Budget>,
}

impl<S> Budgeted<S> {
    pub(super) fn new(inner: S, budget: Arc<Budget>) -> Self {
        Self { inner, budget }
    }
}

impl<S> Service<Call> for Budgeted<S>
where
    S: Service<Call, Response = Answer, Error = PortError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = PortError;
    type Future = BoxFuture<'static, Result<Answer, PortError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PortError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let successor = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, successor);
        let budget = Arc::clone(&self.budget);
        Box::pin(async move {
            let _place = budget.admit(&call).await?;
            let bucket = call.bucket;
            let answer = ready.call(call).await?;
            budget.learn(bucket, &answer)?;
            Ok(answer)
        })
    }
}
