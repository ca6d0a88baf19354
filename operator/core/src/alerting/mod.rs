//! Alerts: from what is known of Forks to who is told what.

mod alert;

pub use alert::{Alert, Release};
