//! One look at all builds of a team that are under way, shared by every release that waits for one of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use forkable_core::{
    PortError,
    hosting::{DeploymentFacts, ProjectTarget},
    release::Observed,
};
use jiff::Timestamp;

use crate::{
    accounts::Account,
    clock::{Clock, after},
};

/// The shortest time between two looks at the builds of a team.
const EVERY: Duration = Duration::from_secs(5);

/// Key of an account, and a team.
type Team = (String, Option<String>);

/// The looks at each team.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<HashMap<Team, Arc<tokio::sync::Mutex<Poll>>>>);

/// The last look at the builds of one team.
#[derive(Debug, Default)]
struct Poll {
    tried_at: Option<Timestamp>,
    /// When it was answered, builds by id.
    seen: Option<(Timestamp, HashMap<String, DeploymentFacts>)>,
}

/// What a look at a build came to.
enum Polled {
    /// It is under way, as was seen then.
    UnderWay(Box<DeploymentFacts>, Timestamp),
    /// It is not, or not to be seen yet: it has to be read by itself.
    Elsewhere,
    /// The team may not be looked at before then.
    NotBefore(Timestamp),
}

impl Polls {
    /// Looks at a build that was begun. While it is under way that is the team's look, at most one in five seconds for
    /// all of them; its end, what only a hint told of, and what this process has not seen yet are read by themselves.
    /// Answers the time before which nothing more can be known, if nothing was.
    pub(super) async fn look(
        &self,
        (account, target, clock): (&Account, &ProjectTarget, &Clock),
        id: &str,
        observed: &mut Observed,
        seen_at: &mut Option<Timestamp>,
    ) -> Result<Option<Timestamp>, PortError> {
        let is_under_way = observed.deployment.as_ref().is_some_and(|facts| facts.state.is_under_way());
        if let Some(since) = seen_at.filter(|_| is_under_way) {
            match self.poll(account, target.team.as_deref(), id, since, clock).await? {
                Polled::UnderWay(facts, at) => {
                    observed.deployment = Some(*facts);
                    *seen_at = Some(at);
                    return Ok(None);
                }
                Polled::NotBefore(at) => return Ok(Some(at)),
                Polled::Elsewhere => {}
            }
        }
        observed.deployment = account.hosting.deployment(target, id).await?;
        *seen_at = Some(clock.now());
        Ok(None)
    }

    async fn poll(
        &self,
        account: &Account,
        team: Option<&str>,
        id: &str,
        since: Timestamp,
        clock: &Clock,
    ) -> Result<Polled, PortError> {
        let key = (account.key.clone(), team.map(str::to_owned));
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        // Whoever comes while somebody looks gets what that one sees.
        let mut poll = shared.lock().await;
        if poll.seen.as_ref().is_none_or(|(at, _)| *at <= since) {
            let now = clock.now();
            if let Some(next) = poll.tried_at.map(|at| after(at, EVERY)).filter(|next| *next > now) {
                return Ok(Polled::NotBefore(next));
            }
            poll.tried_at = Some(now);
            let builds = account.hosting.builds(team).await?;
            poll.seen = Some((now, builds.into_iter().map(|facts| (facts.id.clone(), facts)).collect()));
        }
        let seen = poll.seen.as_ref().and_then(|(at, builds)| Some((builds.get(id)?.clone(), *at)));
        Ok(seen.map_or(Polled::Elsewhere, |(facts, at)| Polled::UnderWay(Box::new(facts), at)))
    }
}
