//! In place of the stand-in, in a program that was built without it.

#![expect(clippy::unused_async, reason = "as it is where there is a sandbox")]

use std::{convert::Infallible, net::SocketAddr, path::PathBuf};

use forkable_core::Secret;

/// Why no sandbox can be started here.
pub(super) const ABSENT: Option<&str> = Some(WITHOUT);
const WITHOUT: &str = "this program was built without the sandbox, as releases are; start one from a checkout with \
                       `cargo run -p forkable -- sandbox`, and name it: --sandbox=http://127.0.0.1:9000";

/// Not in this program: `cargo run -p forkable -- sandbox` in a checkout starts the stand-in for GitHub and Vercel.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// None: no stand-in is started here.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArguments {}

/// A sandbox that was started here; there is none.
pub(super) struct Server(Infallible);

impl Server {
    pub(super) fn url(&self) -> String {
        match self.0 {}
    }

    pub(super) async fn stop(self) {
        match self.0 {}
    }
}

impl SettingsArguments {
    pub(super) async fn start(&self, _: PathBuf, _: SocketAddr) -> anyhow::Result<(Server, Secret)> {
        anyhow::bail!(WITHOUT)
    }
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let Self {} = self;
        anyhow::bail!(WITHOUT)
    }
}
