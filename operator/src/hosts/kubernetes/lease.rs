//! Leadership: one of several processes works, the others stand by. Whoever holds the Lease renews it; whoever cannot
//! renew it in time stops before anybody else may take it.
//!
//! | the Lease | a process that does not hold it |
//! |---|---|
//! | does not exist | creates it |
//! | has no holder (it was released) | takes it |
//! | was seen to change less than its duration ago | waits |
//! | did not change for its duration | takes it |
//!
//! Time is that of the own clock, from when a change was *seen*: clocks of other machines do not matter. Every write
//! checks the resourceVersion, so that of two that take at once one is refused.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use rand::Rng as _;
use tokio::time::{Instant, sleep, timeout_at};

/// Annotation on the Lease by which a person lets destructive steps go on that the brake stopped; any value will do.
pub const RESUME_ANNOTATION: &str = "forkable.dev/resume-requested-at";

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long a holder that is not heard of any more keeps the Lease.
    pub duration: Duration,
    /// How long the holder may go without a renewal before it stops; less than `duration`.
    pub deadline: Duration,
    /// Time between tries; less than `deadline`.
    pub retry: Duration,
}

impl Times {
    /// Says what is wrong with the times, if anything is.
    pub fn check(self) -> Result<Self, String> {
        let Self { duration, deadline, retry } = self;
        if retry.is_zero() || retry >= deadline || deadline >= duration || duration < Duration::from_secs(1) {
            return Err(format!(
                "the times of the Lease must be --retry-period < --renew-deadline < --lease-duration, the last at \
                 least 1s, and are {retry:?}, {deadline:?}, {duration:?}"
            ));
        }
        Ok(self)
    }
}

/// Label of every such Lease, by which people's commands find them.
pub const LABEL: [&str; 2] = ["app.kubernetes.io/name", "forkable"];

/// Leadership was lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the Lease {0} is held by {1} now")]
    Taken(String, String),
    #[error("the Lease {0} could not be renewed within {1:?}: {2}")]
    NotRenewed(String, Duration, String),
}

/// Takes, keeps and releases one Lease.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
    times: Times,
    seen: Option<Seen>,
    /// When the last renewal was sent, once the Lease is held.
    renewed: Instant,
}

/// The Lease as it was read last, and since when it is so.
struct Seen {
    lease: Lease,
    since: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Create,
    Take,
    Wait,
}

impl Elector {
    /// `client` should be of its own, so that other traffic cannot hold up renewals.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, times: Times) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            times,
            seen: None,
            renewed: Instant::now(),
        }
    }

    /// Name of the Lease.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the Lease is held.
    pub async fn acquire(&mut self) {
        let mut complained = String::new();
        loop {
            match self.try_to_acquire().await {
                Ok(true) => {
                    tracing::info!(lease = self.name, identity = self.identity, "leading");
                    return;
                }
                Ok(false) => complained.clear(),
                Err(error) => {
                    let error = error.to_string();
                    if complained != error {
                        tracing::warn!(
                            lease = format!("{}/{}", self.namespace, self.name),
                            error,
                            "it cannot be read or written yet"
                        );
                        complained = error;
                    }
                }
            }
            sleep(self.times.retry.mul_f64(rand::rng().random_range(1.0..1.2))).await;
        }
    }

    /// Renews the Lease until it is lost. Tells `renewed` until when it is surely held, and calls `resumed` when a person
    /// let destructive steps go on.
    pub async fn keep(&mut self, renewed: impl Fn(Instant), resumed: impl Fn()) -> Lost {
        loop {
            renewed(self.holds_until());
            let deadline = self.holds_until();
            let mut error = "no answer".to_owned();
            loop {
                match timeout_at(deadline, self.renew(&resumed)).await {
                    Ok(Ok(None)) => break,
                    Ok(Ok(Some(holder))) => return Lost::Taken(self.name.clone(), holder),
                    Ok(Err(failed)) => error = failed.to_string(),
                    Err(_) => {}
                }
                if Instant::now() + self.times.retry >= deadline {
                    return Lost::NotRenewed(self.name.clone(), self.times.deadline, error);
                }
                tracing::warn!(lease = self.name, error, "the Lease could not be renewed yet");
                sleep(self.times.retry).await;
            }
            sleep(self.times.retry).await;
        }
    }

    /// Lets the next one take the Lease at once.
    pub async fn release(&mut self) {
        let Some(Seen { lease, .. }) = &self.seen else { return };
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return;
        }
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        let replaced = timeout_at(Instant::now() + self.times.deadline, self.replace(lease)).await;
        match replaced {
            Ok(Ok(())) => tracing::info!(lease = self.name, "released"),
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "it could not be released and has to expire"),
            Err(_) => tracing::warn!(lease = self.name, "it could not be released in time and has to expire"),
        }
    }

    /// Until when the Lease is surely held, if it is not renewed again.
    pub fn holds_until(&self) -> Instant {
        self.renewed + self.times.deadline
    }

    /// Takes the Lease if it is free. Answers whether it is held.
    pub(super) async fn try_to_acquire(&mut self) -> Result<bool, kube::Error> {
        self.read().await?;
        let sent = Instant::now();
        let result = match next(self.seen.as_ref(), &self.identity, self.times.duration, sent) {
            Next::Wait => return Ok(false),
            Next::Create => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let lease = self.held(Lease { metadata, spec: None });
                let created = self.api.create(&PostParams::default(), &lease).await;
                created.map(|lease| self.saw(lease, sent))
            }
            Next::Take => {
                let lease = self.seen.as_ref().map(|seen| seen.lease.clone()).unwrap_or_default();
                self.replace(self.held(lease)).await
            }
        };
        match result {
            Ok(()) => {
                self.renewed = sent;
                Ok(true)
            }
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Answers who else holds the Lease now, if it is lost.
    async fn renew(&mut self, resumed: &impl Fn()) -> Result<Option<String>, kube::Error> {
        let Some(Seen { lease, .. }) = &self.seen else { return Ok(Some("nobody".into())) };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder != self.identity {
            return Ok(Some(if holder.is_empty() { "nobody".into() } else { holder }));
        }
        let mut lease = self.held(lease.clone());
        if let Some(annotations) = &mut lease.metadata.annotations
            && annotations.remove(RESUME_ANNOTATION).is_some()
        {
            resumed();
        }
        let sent = Instant::now();
        match self.replace(lease).await {
            Ok(()) => {
                self.renewed = sent;
                Ok(None)
            }
            // A person annotated it, or somebody took it: the next try tells.
            Err(error @ kube::Error::Api(_)) => {
                self.read().await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease, held by this process from now on.
    fn held(&self, lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.unwrap_or_default();
        let is_new = before.holder_identity.as_ref() != Some(&self.identity);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            // Whole seconds, not shorter than what is promised.
            lease_duration_seconds: i32::try_from(self.times.duration.as_millis().div_ceil(1000)).ok(),
            acquire_time: if is_new { Some(now.clone()) } else { before.acquire_time },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or_default() + i32::from(is_new)),
            ..before
        };
        let mut metadata = lease.metadata;
        metadata.labels.get_or_insert_default().insert(LABEL[0].into(), LABEL[1].into());
        Lease { spec: Some(spec), metadata }
    }

    async fn read(&mut self) -> Result<(), kube::Error> {
        match self.api.get_opt(&self.name).await? {
            Some(lease) => self.saw(lease, Instant::now()),
            None => self.seen = None,
        }
        Ok(())
    }

    async fn replace(&mut self, lease: Lease) -> Result<(), kube::Error> {
        let lease = self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        self.saw(lease, Instant::now());
        Ok(())
    }

    fn saw(&mut self, lease: Lease, now: Instant) {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|seen| version(&seen.lease) != version(&lease)) {
            self.seen = Some(Seen { lease, since: now });
        }
    }
}

/// What a process that does not hold the Lease may do with it.
fn next(seen: Option<&Seen>, identity: &str, duration: Duration, now: Instant) -> Next {
    let Some(Seen { lease, since }) = seen else { return Next::Create };
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    let duration = seconds.map_or(duration, Duration::from_secs);
    if holder.is_empty() || holder == identity || now.duration_since(*since) >= duration {
        Next::Take
    } else {
        Next::Wait
    }
}

#[cfg(test)]
mod tests;
