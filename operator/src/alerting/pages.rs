//! What the status pages of providers tell: asked for once for all rules and Forks, while a rule wants to know.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use forkable_core::{
    alerting::{self, Incident, Reading, UNRESOLVED, name_of, pages_of, read_incidents},
    sites::{Request, To},
    store::Store,
};
use forkable_crds::{
    Fork,
    alert_rule::{IncidentSignal, Signal, StatusPage},
};
use jiff::Timestamp;

use super::account;
use crate::{clock::after, context::Context};

/// How often a page is asked for.
const EVERY: Duration = Duration::from_mins(1);

/// What a page told.
pub(super) type Told = Result<Vec<Incident>, String>;

/// What the pages told last.
#[derive(Debug, Default)]
pub(super) struct Pages(BTreeMap<StatusPage, Page>);

#[derive(Debug)]
struct Page {
    /// When it is asked for again.
    due: Timestamp,
    told: Option<Told>,
    /// A Fork of which a rule wants to know, with whose account it is asked for.
    asked_for: Arc<Fork>,
    /// Since [`Pages::forget_unread`].
    is_read: bool,
}

impl Pages {
    /// What a signal says. `None`: a page is asked for the first time.
    pub(super) fn read(&mut self, signal: &IncidentSignal, fork: &Arc<Fork>) -> Option<Reading> {
        let mut told = Vec::new();
        for page in pages_of(signal) {
            let fresh = || Page { due: Timestamp::MIN, told: None, asked_for: fork.clone(), is_read: true };
            let known = self.0.entry(page).or_insert_with(fresh);
            (known.is_read, known.asked_for) = (true, fork.clone());
            told.push(known.told.clone());
        }
        let told: Option<Vec<_>> = told.into_iter().collect();
        Some(alerting::incident(signal, &told?))
    }

    /// The pages that are to be asked for now, which is not again for a while.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(StatusPage, Arc<Fork>)> {
        let due = self.0.iter_mut().filter(|(_, known)| known.due <= now);
        let take = |(page, known): (&StatusPage, &mut Page)| {
            known.due = after(now, EVERY);
            (*page, known.asked_for.clone())
        };
        due.map(take).collect()
    }

    pub(super) fn put(&mut self, page: StatusPage, told: Told) {
        if let Some(known) = self.0.get_mut(&page) {
            known.told = Some(told);
        }
    }

    /// The incident that may be behind an alert that began then, for people.
    pub(super) fn behind(&self, signal: &Signal, began: Timestamp) -> Option<String> {
        let known = self.0.values().filter_map(|page| page.told.as_ref()?.as_ref().ok()).flatten();
        alerting::behind(signal, began, known)
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.0.values().map(|page| page.due).min()
    }

    /// Forgets what no rule read since the last time: nobody wants to know any more.
    pub(super) fn forget_unread(&mut self) {
        self.0.retain(|_, page| std::mem::take(&mut page.is_read));
    }
}

/// Asks for a page.
pub(super) async fn ask<S: Store>(context: &Context<S>, page: StatusPage, fork: &Fork) -> Told {
    let services = &context.services;
    let address = match page {
        StatusPage::GitHub => &services.github_status,
        StatusPage::Vercel => &services.vercel_status,
    };
    let unread = |why: String| format!("the status page of {} cannot be read: {why}", name_of(page));
    let account = account(context, fork).await.map_err(unread)?;
    let url = format!("{}{UNRESOLVED}", address.trim_end_matches('/'));
    let visit = account.sites.get(&Request { to: To::Url(url), headers: Vec::new() }).await;
    read_incidents(page, &visit)
}
