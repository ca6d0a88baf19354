//! The loop: every few seconds, and at once when something changed, all rules are gone through in one pass.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use forkable_core::{
    alerting::{self, Alert, Begins, Firing, Group, Message, Reading, condition_of, next_look, quiet, selects, step},
    store::{EventType, Kind as _, ObjectRef, Store},
};
use forkable_crds::{
    AlertRule, Fork, RESEND_ANNOTATION,
    alert_rule::{ActionType, AlertState, AlertStatus, NoData, Undelivered},
    rollout::FreezeWindow,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    act,
    forks::{Forks, Lately},
    report,
    signals::Signals,
    told::told,
};
use crate::{
    clock::{after, before},
    context::Context,
    notify::{self, Word},
};

/// How often all rules are gone through though nothing is known to have changed.
const EVERY: Duration = Duration::from_secs(5);
/// Alerts of a rule that are on record at most; the oldest.
const RECORDED: usize = 500;
/// Messages that were given up of which it is known, of all rules, and for how long.
const LETTERS: u32 = 200;
const REMEMBERED: Duration = Duration::from_hours(24 * 7);
/// How much longer it rests after a pass than that took, so that a fleet in which much happens leaves the processor to
/// others; and the longest that it rests.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Follows all rules.
pub struct Evaluator<S> {
    context: Arc<Context<S>>,
    signals: Signals,
    rules: HashMap<ObjectRef, Rule>,
    lately: Lately,
    /// Whether it is known of what people were told before this process began.
    is_begun: bool,
    /// What the last pass took, without what it waited for.
    took: Duration,
}

/// What is known of one rule.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) uid: String,
    /// The generation that was looked at.
    pub(super) generation: Option<i64>,
    /// What is wrong with it, beyond what its schema can tell.
    pub(super) problems: Vec<String>,
    /// By name of the Fork.
    pub(super) alerts: BTreeMap<String, AlertStatus>,
    begins: HashMap<String, Begins>,
    /// Forks that it selects.
    pub(super) selected: usize,
    /// Forks that it selects and that other processes work on.
    pub(super) elsewhere: BTreeSet<String>,
    /// Forks on record that may yet come up at a process.
    pub(super) strangers: BTreeSet<String>,
    /// Alerts that people know of, of Forks that are on the way to another process, or gone.
    pub(super) away: Vec<(AlertStatus, Arc<Fork>)>,
    /// Forks with alerts that people were told of by another process, or by this one before it ended.
    pub(super) adopted: Vec<String>,
    /// Forks of which the signal says nothing, and why.
    pub(super) unread: BTreeMap<String, String>,
    /// A Fork of which the signal says nothing, and why.
    pub(super) mute: Option<(String, String)>,
    /// What the outbox has yet to hear of alerts that are not here any more.
    words: Vec<Word>,
    pub(super) acted: Vec<Timestamp>,
    /// Why people could not be told.
    pub(super) untold: Option<String>,
    /// Channels that fail, and why.
    pub(super) failing: Vec<String>,
    /// Messages that were given up, the newest.
    pub(super) undelivered: Vec<Undelivered>,
    /// The wish to send them again that was carried out last.
    resent: Option<String>,
}

impl<S: Store> Evaluator<S> {
    pub fn new(context: Arc<Context<S>>) -> Self {
        let lately = Lately::default();
        let (signals, rules) = (Signals::default(), HashMap::new());
        Self { context, signals, rules, lately, is_begun: false, took: Duration::ZERO }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let now = self.context.clock.now();
            let due = if self.context.is_loaded() { self.pass(now).await } else { after(now, EVERY) };
            if stop.run_until_cancelled(self.wait(due)).await.is_none() {
                return;
            }
        }
    }

    /// Waits until something happens or is due. What happens while it rests makes one pass, however much it is.
    async fn wait(&mut self, due: Timestamp) {
        let context = self.context.clone();
        let rested = tokio::time::Instant::now() + (self.took * REST).min(LONGEST_REST);
        let mut is_due = false;
        loop {
            self.signals.ask(&context);
            tokio::select! {
                () = context.alerts.wake.notified() => is_due = true,
                () = context.monitor.changed().notified() => is_due = true,
                () = self.signals.answered() => is_due = true,
                () = context.clock.sleep_until(due), if !is_due => is_due = true,
                () = tokio::time::sleep_until(rested), if is_due => return,
            }
        }
    }

    /// One pass over all rules. Answers when the next is due should nothing happen.
    async fn pass(&mut self, now: Timestamp) -> Timestamp {
        let rules = self.context.fleet.rules();
        let mut due = after(now, EVERY);
        if rules.is_empty() && self.rules.is_empty() {
            return due;
        }
        let Some(told) = self.told_before().await else { return due };
        let began = Instant::now();
        let forks = self.lately.look(&self.context.fleet, now);
        for rule in &rules {
            self.take_in(rule, &forks, &told);
            due = due.min(self.evaluate(rule, &forks, now));
        }
        self.forget(&rules);
        due = self.signals.due().map_or(due, |next| due.min(next.max(after(now, Duration::from_millis(50)))));
        self.hush(&rules, &forks, now);
        self.took = began.elapsed();
        self.count(&rules);
        for rule in &rules {
            self.act(rule, &forks, now).await;
            self.announce(rule, &forks).await;
        }
        self.show(&rules);
        self.send_again(&rules).await;
        self.look_at_channels(now).await;
        for rule in &rules {
            if let Some(known) = self.rules.get(&rule.reference()) {
                report::write(&self.context, rule, known, now).await;
            }
        }
        self.lately.keep(forks);
        due
    }

    /// Sends again what was given up of rules of which a person wants that.
    async fn send_again(&mut self, rules: &[Arc<AlertRule>]) {
        for rule in rules {
            let Some(known) = self.rules.get_mut(&rule.reference()) else { continue };
            let wish = rule.metadata.annotations.as_ref().and_then(|all| all.get(RESEND_ANNOTATION));
            if wish.is_none() || known.resent.as_ref() == wish {
                continue;
            }
            // What is given up after the wish needs another one, also of a process that carries it out once more.
            let Some(until) = wish.and_then(|wish| wish.parse::<Timestamp>().ok()) else { continue };
            let (namespace, name) = (rule.namespace(), rule.name());
            match self.context.outbox.resend(namespace, name, until, self.context.clock.now()).await {
                Ok(count) => {
                    known.resent = wish.cloned();
                    if count > 0 {
                        self.context.posted.notify_one();
                        let text = format!("{count} messages that were given up are sent again");
                        self.context.store.event(&rule.reference(), EventType::Normal, "Resent", &text).await;
                    }
                }
                Err(error) => tracing::warn!(rule = %rule.reference(), %error, "nothing can be sent again yet"),
            }
        }
    }

    /// Takes in which channels of the rules fail, and what was given up. While that cannot be read, what was known of it
    /// stays.
    async fn look_at_channels(&mut self, now: Timestamp) {
        let (Ok(all), Ok(dead)) = (self.context.outbox.failing().await, self.context.outbox.dead(LETTERS).await) else {
            return;
        };
        let since = before(now, REMEMBERED);
        let dead: Vec<_> = dead.iter().filter(|letter| letter.given_up_at >= since).collect();
        for (rule, known) in &mut self.rules {
            let own = all.iter().filter(|it| it.namespace == rule.namespace && it.rule == rule.name);
            known.failing = own.map(|it| format!("{}: {}", it.channel, it.error)).collect();
            let is_own = |message: &Message| message.namespace == rule.namespace && message.rule == rule.name;
            let own = dead.iter().filter(|letter| is_own(&letter.envelope.message));
            known.undelivered = own.take(report::UNDELIVERED).map(|letter| report::undelivered(letter)).collect();
        }
    }

    fn count(&self, rules: &[Arc<AlertRule>]) {
        let mut counts = BTreeMap::new();
        for rule in rules {
            for alert in self.rules.get(&rule.reference()).iter().flat_map(|known| known.alerts.values()) {
                *counts.entry((rule.spec.severity, is_firing(alert))).or_default() += 1;
            }
        }
        self.context.metrics.alerts(self.took, &counts);
        self.context.metrics.objectives(self.signals.budgets());
    }

    /// What people were told of before this process began; only in its first pass. `None`: that cannot be read yet.
    async fn told_before(&mut self) -> Option<Vec<Alert>> {
        if self.is_begun {
            return Some(Vec::new());
        }
        match self.context.outbox.groups().await {
            Ok(groups) => {
                self.is_begun = true;
                Some(groups.iter().flat_map(Group::firing).cloned().collect())
            }
            Err(error) => {
                tracing::error!(%error, "what people were told of cannot be read yet, so that no rule is followed");
                None
            }
        }
    }

    fn take_in(&mut self, rule: &AlertRule, forks: &Forks, told: &[Alert]) {
        let known = self.rules.entry(rule.reference()).or_default();
        known.take_in(rule, forks, &self.lately, told);
        act::remember(&mut known.acted, &rule.status.iter().flat_map(|status| &status.acted));
        if known.generation != Some(rule.generation()) {
            known.generation = Some(rule.generation());
            known.problems = alerting::problems(&rule.spec);
        }
    }

    /// Answers when an alert of the rule may be another though its signal says the same.
    fn evaluate(&mut self, rule: &Arc<AlertRule>, forks: &Forks, now: Timestamp) -> Timestamp {
        let reference = rule.reference();
        let Some(known) = self.rules.get_mut(&reference) else { return Timestamp::MAX };
        let mut due = Timestamp::MAX;
        known.selected = 0;
        known.elsewhere = forks.selected_elsewhere(rule, &reference.namespace);
        known.look_for_strangers(rule, forks, &self.lately, now);
        known.unread.clear();
        let mut mute = None;
        let is_selected = |fork: &Fork| selects(rule.spec.selector.as_ref(), fork.metadata.labels.as_ref());
        let condition = condition_of(&rule.spec);
        for (name, seen) in forks.of(&reference.namespace) {
            let fork = &seen.fork;
            if !is_selected(fork) {
                continue;
            }
            known.selected += 1;
            // A rule that is wrong neither fires anew nor ends what fires.
            if !known.problems.is_empty() {
                continue;
            }
            let Some(reading) = self.signals.read(&self.context, rule, seen, now) else {
                known.unread.insert(name.clone(), "its signal was not answered yet".into());
                continue;
            };
            let before = known.alerts.remove(name);
            let begins = known.begins.get_mut(name).map_or(0, |begins| begins.count(now));
            let next = step(&condition, &reading, name, before.as_ref(), begins, now);
            let fired = |alert: &Option<AlertStatus>| alert.as_ref().is_some_and(is_firing);
            if fired(&next) && !fired(&before) {
                known.begins.entry(name.clone()).or_default().note(now);
                self.context.metrics.alert_fired(rule.spec.severity);
            }
            if let (None, Some(before)) = (&next, before.filter(|it| is_firing(it) && it.notified)) {
                known.words.push(Word::News(told(&self.context, &self.signals, rule, (&before, fork), Some(now))));
            }
            if let Some(next) = next {
                due = due.min(next_look(&condition, &next).filter(|at| *at > now).unwrap_or(Timestamp::MAX));
                known.alerts.insert(name.clone(), next);
            }
            // The last of them: of a fleet that comes up in some order, it is the same one for the longest time, and
            // every other one would be another status to write.
            if let Reading::NoData(why) = reading
                && condition.on_no_data == NoData::Keep
            {
                known.unread.insert(name.clone(), why.clone());
                mute = Some((name, why));
            }
        }
        known.mute = mute.map(|(name, why)| (name.clone(), why));
        // A Fork that is gone, or not selected any more, is nobody's trouble.
        let is_gone = |name: &&String| !forks.get(&reference.namespace, name).is_some_and(|fork| is_selected(fork));
        let gone: Vec<_> = known.alerts.keys().filter(is_gone).cloned().collect();
        let mut left = Vec::new();
        for alert in gone.iter().filter_map(|name| known.alerts.remove(name)).filter(|it| it.notified) {
            if let Some(fork) = forks.get(&reference.namespace, &alert.fork) {
                known.words.push(Word::News(told(&self.context, &self.signals, rule, (&alert, fork), Some(now))));
            } else if let Some(fork) = self.lately.had(&reference.namespace, &alert.fork) {
                left.push((alert, fork.clone()));
            }
        }
        for (alert, fork, word) in known.let_go(&reference.namespace, left, forks) {
            known.words.push(word(told(&self.context, &self.signals, rule, (&alert, &fork), Some(now))));
        }
        due
    }

    fn forget(&mut self, rules: &[Arc<AlertRule>]) {
        let there: HashSet<_> = rules.iter().map(|rule| rule.reference()).collect();
        self.rules.retain(|rule, _| there.contains(rule));
        self.signals.forget_unread();
    }

    /// Which alerts people are not told of, and why.
    fn hush(&mut self, rules: &[Arc<AlertRule>], forks: &Forks, now: Timestamp) {
        let references: Vec<_> = self.rules.keys().cloned().collect();
        let mut all = Vec::new();
        for rule in &references {
            let alerts = self.rules.get(rule).into_iter().flat_map(|known| known.alerts.values());
            let forks = alerts.filter(|it| is_firing(it)).filter_map(|it| forks.get(&rule.namespace, &it.fork));
            all.extend(forks.map(|fork| firing_of(rule, fork)));
        }
        for rule in rules {
            let reference = rule.reference();
            let Some(known) = self.rules.get_mut(&reference) else { continue };
            for alert in known.alerts.values_mut().filter(|alert| is_firing(alert)) {
                let Some(fork) = forks.get(&reference.namespace, &alert.fork) else { continue };
                let own = firing_of(&reference, fork);
                alert.suppressed = quiet(&rule.spec, &own, of_fork(fork), &all, now);
            }
        }
    }

    /// Does what the rule says is to be done about alerts that nobody was told of yet.
    async fn act(&mut self, rule: &AlertRule, forks: &Forks, now: Timestamp) {
        let reference = rule.reference();
        let Some(known) = self.rules.get_mut(&reference) else { return };
        if rule.spec.actions.is_empty() || !known.problems.is_empty() {
            return;
        }
        let fresh = |alert: &&mut AlertStatus| is_firing(alert) && !alert.notified && alert.suppressed.is_none();
        let mut acted = std::mem::take(&mut known.acted);
        for alert in known.alerts.values_mut().filter(fresh).filter(|alert| alert.actions.is_empty()) {
            let Some(fork) = forks.get(&reference.namespace, &alert.fork) else { continue };
            alert.actions = act::act(&self.context, rule, fork, &mut acted, now).await;
        }
        known.acted = acted;
    }

    /// Tells people of what fires and of what ended, once.
    async fn announce(&mut self, rule: &AlertRule, forks: &Forks) {
        let reference = rule.reference();
        let Some(known) = self.rules.get_mut(&reference) else { return };
        let fork_of = |name: &str| forks.get(&reference.namespace, name);
        let fresh = known.alerts.values().filter(|it| is_firing(it) && !it.notified && it.suppressed.is_none());
        let fresh: Vec<_> = fresh.filter_map(|alert| Some((alert, fork_of(&alert.fork)?))).collect();
        let as_told = |it: (&AlertStatus, &Arc<Fork>)| told(&self.context, &self.signals, rule, (it.0, it.1), None);
        let names: Vec<_> = fresh.iter().map(|(alert, _)| alert.fork.clone()).collect();
        let adopted = known.adopted.iter().filter_map(|name| Some((known.alerts.get(name)?, fork_of(name)?)));
        let words: Vec<_> = (adopted.map(as_told).map(Word::Known))
            .chain(fresh.into_iter().map(as_told).map(Word::News))
            .chain(known.words.iter().cloned())
            .collect();
        if words.is_empty() {
            return;
        }
        match notify::announce(&self.context, rule, words.clone()).await {
            Ok(()) => {
                known.untold = None;
                known.adopted.clear();
                known.words.clear();
                for name in names {
                    if let Some(alert) = known.alerts.get_mut(&name) {
                        alert.notified = true;
                    }
                }
                for word in words {
                    if let Word::News(alert) = word
                        && fork_of(&alert.fork).is_some()
                    {
                        self.tell(&alert).await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(rule = %reference, %error, "alerts cannot be told of yet");
                known.untold = Some(error.to_string());
            }
        }
    }

    /// As an event of the Fork.
    async fn tell(&self, alert: &Alert) {
        let fork = ObjectRef::new(Fork::KIND, alert.namespace.clone(), alert.fork.clone());
        let (kind, reason, text) = if alert.is_firing() {
            (EventType::Warning, "AlertFiring", format!("{}: {}", alert.rule, alert.value))
        } else {
            (EventType::Normal, "AlertResolved", format!("{} is over", alert.rule))
        };
        self.context.store.event(&fork, kind, reason, &text).await;
    }

    /// Shows what must not be promoted to those who promote, and wakes those for whom that changed.
    fn show(&self, rules: &[Arc<AlertRule>]) {
        let mut freezes = HashMap::new();
        for rule in rules {
            let reference = rule.reference();
            let Some(known) = self.rules.get(&reference) else { continue };
            let freeze = |action: &forkable_crds::alert_rule::Action| {
                action.action == ActionType::FreezeReleases && !action.dry_run
            };
            if rule.spec.actions.iter().any(freeze) {
                for alert in known.alerts.values().filter(|it| is_firing(it) && it.suppressed.is_none()) {
                    let namespace = reference.namespace.clone();
                    let fork = ObjectRef::new(Fork::KIND, namespace, alert.fork.clone());
                    freezes.entry(fork).or_insert_with(|| reference.name.clone());
                }
            }
        }
        self.context.alerts.note(rules, &self.rules);
        let mut state = self.context.alerts.state();
        let before = std::mem::replace(&mut *state, freezes);
        let changed: Vec<_> = before
            .keys()
            .filter(|fork| !state.contains_key(*fork))
            .chain(state.keys().filter(|fork| !before.contains_key(*fork)))
            .cloned()
            .collect();
        drop(state);
        for fork in changed {
            self.context.fleet.releases(&fork).iter().for_each(|release| self.context.wake(release.reference()));
        }
    }
}

pub(super) fn is_firing(alert: &AlertStatus) -> bool {
    alert.state == AlertState::Firing
}

fn firing_of<'a>(rule: &'a ObjectRef, fork: &'a Fork) -> Firing<'a> {
    Firing {
        namespace: &rule.namespace,
        rule: &rule.name,
        fork: fork.metadata.name.as_deref().unwrap_or_default(),
        labels: fork.metadata.labels.as_ref(),
    }
}

/// The maintenance windows of a Fork.
fn of_fork(fork: &Fork) -> &[FreezeWindow] {
    fork.spec.monitoring.as_ref().map_or(&[], |monitoring| &monitoring.maintenance)
}

/// The oldest alerts, as many as a status holds. Those of other processes are as they have them on record.
pub(super) fn recorded(known: &Rule, before: &[AlertStatus]) -> Vec<AlertStatus> {
    let is_of_others = |fork: &String| known.elsewhere.contains(fork) || known.strangers.contains(fork);
    let elsewhere = before.iter().filter(|alert| is_of_others(&alert.fork));
    let mut all: Vec<_> = known.alerts.values().chain(elsewhere).collect();
    if all.len() > RECORDED {
        all.sort_by(|one, other| one.since.0.cmp(&other.since.0).then_with(|| one.fork.cmp(&other.fork)));
        all.truncate(RECORDED);
    }
    all.sort_by(|one, other| one.fork.cmp(&other.fork));
    all.into_iter().cloned().collect()
}
