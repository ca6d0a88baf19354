//! The programs of Kubernetes that tests run.

use std::path::PathBuf;

/// `helm`, `kubectl` and their like: as `make tools` built them, else from the PATH.
pub fn tool(name: &str) -> PathBuf {
    std::env::var_os("FORKABLE_CLUSTER_TOOLS").map_or_else(|| name.into(), |folder| PathBuf::from(folder).join(name))
}
