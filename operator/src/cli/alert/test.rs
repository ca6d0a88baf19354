//! `forkable alert test`: sends a message now by the channels of a rule, and says what they answered.

use anyhow::{bail, ensure};
use forkable_core::{
    alerting::{Envelope, Secrets, named, secrets_of, test_message},
    store::Kind as _,
};
use forkable_crds::alert_rule::Notify;
use jiff::Timestamp;

use crate::{
    cli::{Endpoints, environment, place::Place, target::Target, world::World},
    connect::notifier,
};

/// Send a test message now by the channels of an alert rule, and say what each of them answered.
///
/// The message says that it is a test. Works beside a running `forkable up` and without one; Secrets are read from the
/// folder, or from the cluster with your own rights. PagerDuty gets an incident that is resolved at once, an Alertmanager an
/// alert that ends after a minute.
///
/// Examples, on one machine:
///   forkable alert test down --dir DIR
///   forkable alert test down --channel ops --dir DIR
/// and in a cluster:
///   kubectl forkable alert test down -n team
///
/// Exit codes: 0 every channel took it, 1 one of them did not.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Name of an AlertRule.
    #[arg(value_name = "RULE")]
    name: Target,
    /// Only this channel, by its name in spec.notify.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Use the stand-in for Slack and PagerDuty at URL.
    #[arg(long, value_name = "URL", env = "FORKABLE_SANDBOX")]
    sandbox: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let endpoints = match &self.sandbox {
            Some(url) => environment::Connection::sandbox(url).map(|connection| connection.endpoints),
            None => Endpoints::from(&environment::variable),
        };
        let notifier = notifier(&endpoints.map_err(anyhow::Error::msg)?)?;
        let world = self.place.open().await?;
        let rule = world.declared_rule(&self.name).await?;
        let reference = rule.reference();
        let all = &rule.spec.notify;
        ensure!(!all.is_empty(), "{reference} tells nobody: add a channel to spec.notify");
        let asked = |channel: &&Notify| self.channel.as_ref().is_none_or(|name| *name == channel.name);
        let channels: Vec<_> = all.iter().filter(asked).collect();
        if channels.is_empty() {
            let names: Vec<_> = all.iter().map(|channel| channel.name.as_str()).collect();
            bail!("{reference} has no channel {}: it has {}", self.channel.unwrap_or_default(), names.join(", "));
        }
        let mut code = crate::cli::DONE;
        for channel in channels {
            let name = named(channel);
            let message = test_message(&reference.namespace, &reference.name, rule.spec.severity, &name);
            let envelope = Envelope::single("test", channel.clone(), message, Timestamp::now());
            let secrets = secrets(&world, &reference.namespace, channel).await?;
            match notifier.send(channel, &secrets, &envelope).await {
                Ok(receipt) => crate::cli::say(format_args!("{name}: sent; the answer was: {}", receipt.answer)),
                Err(error) => {
                    code = crate::cli::FAILED;
                    crate::cli::say(format_args!("{name}: not sent: {error}"));
                }
            }
        }
        Ok(code)
    }
}

async fn secrets(world: &World, namespace: &str, channel: &Notify) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::default();
    for reference in secrets_of(channel) {
        let values = world.secret(namespace, &reference.name).await?;
        if let Some(value) = values.and_then(|mut values| values.remove(&reference.key)) {
            secrets.0.insert((reference.name.clone(), reference.key.clone()), value);
        }
    }
    Ok(secrets)
}
