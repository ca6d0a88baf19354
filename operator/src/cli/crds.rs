//! `forkable crds`: the CRDs as YAML.

/// Print the CustomResourceDefinitions.
///
/// Example: forkable crds | kubectl apply --server-side -f -
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

impl Arguments {
    pub(super) fn run(self) -> u8 {
        let Self {} = self;
        super::say(format_args!("{}", forkable_crds::YAML.trim_end()));
        super::DONE
    }
}
