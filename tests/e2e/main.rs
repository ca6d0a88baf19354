//! A real kube-apiserver: what it makes of the CRDs and of manifests.

mod controller;
mod crds;
mod harness;
mod manifests;
mod plugin;
