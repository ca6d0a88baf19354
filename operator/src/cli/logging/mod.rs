//! The log on standard error, which gives way to the live view; and traces, if the environment asks for them.

mod line;
mod traces;

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::OnceLock,
};

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use line::Lines;

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// The live view, once there is one.
static LIVE: OnceLock<MultiProgress> = OnceLock::new();

/// Starts the log and the traces; must be called within the runtime. `RUST_LOG` wins over `level`.
pub(super) fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = Lines::new(format, colours, write).with_filter(filter);
    let (traces, problem) = match traces::layer() {
        Ok(traces) => (traces, None),
        Err(problem) => (None, Some(problem)),
    };
    // A second start keeps the first log.
    drop(tracing_subscriber::registry().with(traces).with(lines).try_init());
    if let Some(problem) = problem {
        tracing::error!("there are no traces: {problem:#}");
    }
}

/// Sends what is left of the traces; takes a few seconds at most. Must not be called on a thread of the runtime.
pub(super) fn finish() {
    traces::finish();
}

/// From now on the log is written between the frames of the live view.
pub(super) fn share_with(live: MultiProgress) {
    drop(LIVE.set(live));
}

fn write(line: &str) {
    // Nobody can be told that standard error is closed.
    let write = || drop(io::stderr().lock().write_all(line.as_bytes()));
    LIVE.get().map_or_else(write, |live| live.suspend(write));
}
