//! Alerts: from what is known of Forks to who is told what.

mod alert;
mod burn;
mod evaluate;
mod facts;
mod quiet;
mod rehearse;
mod select;
mod validate;

pub use alert::{Alert, Release};
pub use burn::{Window, burn, windows};
pub use evaluate::{Reading, compares, condition_of, next_look, step};
pub use facts::{Facts, tell};
pub use quiet::{Firing, quiet};
pub use rehearse::{Begins, Rehearsed, rehearse};
pub use select::selects;
pub use validate::problems;
