//! Alerts: from what is known of Forks to who is told what.

mod alert;
mod burn;
mod cause;
mod channel;
mod evaluate;
mod facts;
mod group;
mod incident;
mod logs;
mod message;
mod outbox;
mod quiet;
mod rehearse;
pub mod retry;
mod select;
mod sentry;
mod validate;

pub use alert::{Alert, Release};
pub use burn::{Budget, Window, burn, whole, windowed, windows};
pub use channel::{Notifier, Receipt, Secrets, Trouble, Undelivered, kind_of, named, secrets_of};
pub use evaluate::{Reading, condition_of, next_look, step};
pub use facts::{Facts, tell};
pub use group::{Group, REFRESH, key_of};
pub use incident::{Impact, Incident, UNRESOLVED, behind, incident, name_of, pages_of, read_incidents};
pub use logs::{SLOT, Tally};
pub use message::{Fact, Message, Occasion, Told, test_message, trouble_message};
pub use outbox::{Depth, Envelope, Failing, Failure, Letter, Outbox};
pub use quiet::{Firing, quiet};
pub use rehearse::{Begins, Rehearsed, rehearse};
pub use select::selects;
pub use sentry::{Unsaid, ask_sentry, read_sentry};
pub use validate::problems;
