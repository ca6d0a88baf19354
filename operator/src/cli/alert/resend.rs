//! `forkable alert resend`: what was given up is sent again.

use anyhow::ensure;
use forkable_core::store::Kind as _;
use forkable_crds::{RESEND_ANNOTATION, alert_rule::Undelivered};
use jiff::Timestamp;

use crate::cli::{place::Place, target::Target, world::World};

/// Send again the messages of an alert rule that were given up.
///
/// A message is given up when its channel refuses it, or did not take it for a day. `forkable why alertrule/NAME` shows which,
/// and what was wrong; mend that first. Each is sent once more, by the process that works on the folder or the cluster.
///
/// Examples, on one machine:
///   forkable alert resend down --dir DIR
/// and in a cluster:
///   kubectl forkable alert resend down -n team
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Name of an AlertRule.
    #[arg(value_name = "RULE")]
    name: Target,
    #[command(flatten)]
    place: Place,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let world = self.place.open().await?;
        let rule = world.rule(&self.name).await?;
        let given_up = rule.status.as_ref().map_or(&[][..], |status| &status.undelivered);
        ensure!(!given_up.is_empty(), "{}: no message was given up", rule.reference());
        world.annotate(&rule, RESEND_ANNOTATION, &Timestamp::now().to_string()).await?;
        for Undelivered { channel, headline, .. } in given_up {
            crate::cli::say(format_args!("{channel}: {headline}"));
        }
        let who = match &world {
            World::Folder(_) => "`forkable up`, at once if it is running",
            World::Cluster(_) => "the controller",
        };
        crate::cli::say(format_args!("will be sent again by {who}; `forkable why {}` tells", rule.reference()));
        Ok(crate::cli::DONE)
    }
}
