//! Asking Sentry, and leaving it alone while it wants that.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use forkable_core::{
    alerting::{Reading, ask_sentry, read_sentry},
    release::analysis::Subject,
    secret::redact,
    store::{Kind as _, Store},
};
use forkable_crds::{Fork, alert_rule::SentrySignal};
use jiff::Timestamp;

use super::account;
use crate::{clock::after, context::Context, controllers::fork::resolve};

/// Until when servers want to be left alone, by address and organization: limits are for an organization.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<(String, String), Timestamp>>);

impl Holds {
    fn until(&self, of: &(String, String), now: Timestamp) -> Option<Timestamp> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| *until > now);
        all.get(of).copied()
    }

    fn put(&self, of: (String, String), until: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, until);
    }
}

/// What Sentry says of a Fork. The error says why it says nothing.
pub(super) async fn ask<S: Store>(
    context: &Context<S>,
    signal: &SentrySignal,
    fork: &Fork,
    subject: &Subject,
    holds: &Holds,
) -> Result<Reading, String> {
    let now = context.clock.now();
    let server = signal.address.as_ref().unwrap_or(&context.services.sentry);
    let of = (server.clone(), signal.organization.clone());
    let held = |until: Timestamp| format!("Sentry allows no more requests until {until:.0}");
    if let Some(until) = holds.until(&of, now) {
        return Err(held(until));
    }
    let namespace = fork.namespace();
    let reference = &signal.token_secret_ref;
    let secrets = resolve::secrets(&context.store, namespace, &[reference.name.as_str()].into()).await;
    let secrets = secrets.map_err(|error| error.to_string())?;
    let token = secrets.get(&reference.name).and_then(|data| data.get(&reference.key)).ok_or_else(|| {
        format!(
            "signal.sentry.tokenSecretRef: there is no key {} in a Secret {} of {namespace}",
            reference.key, reference.name
        )
    })?;
    let request = ask_sentry(signal, subject, token, server)?;
    let account = account(context, fork).await?;
    let visit = account.sites.get(&request).await;
    read_sentry(signal, &visit, now).map_err(|unsaid| match unsaid.wait {
        Some(wait) => {
            let until = after(now, wait);
            holds.put(of, until);
            held(until)
        }
        None => redact(&unsaid.why, secrets.values().flat_map(BTreeMap::values)),
    })
}
