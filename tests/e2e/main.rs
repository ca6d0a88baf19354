//! A real kube-apiserver: what it makes of the CRDs and of manifests, and the chart with its controller in it.

mod alerts;
mod approvals;
mod controller;
mod crds;
mod examples;
mod harness;
mod idle;
mod installed;
mod manifests;
mod matrix;
mod operations;
mod outages;
mod plugin;
mod releases;
mod rights;
mod shards;
mod upgrades;
mod whole;
