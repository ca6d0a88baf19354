//! A real kube-apiserver: what it makes of the CRDs and of manifests.

mod crds;
mod harness;
mod manifests;
