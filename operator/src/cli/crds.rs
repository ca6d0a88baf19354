//! `forkable crds`: the CRDs as YAML.

use anyhow::Context as _;

/// Print the CustomResourceDefinitions.
///
/// Example: forkable crds | kubectl apply --server-side -f -
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<u8> {
        let Self {} = self;
        for crd in forkable_crds::all() {
            super::say(format_args!("---\n{}", super::state::yaml(&crd).context("a CRD as YAML")?.trim_end()));
        }
        Ok(super::DONE)
    }
}
