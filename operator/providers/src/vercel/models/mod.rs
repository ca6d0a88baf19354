//! Vercel's answers as they are read, and the facts that they come to. What is not read is not here.

mod deployment;
mod domain;
mod project;
#[cfg(test)]
mod tests;
mod variable;

pub(super) use deployment::{Deployment, DeploymentPage, Event, LogRow, REQUEST_META};
pub(super) use domain::{CertificatePage, Domain, DomainConfig, DomainPage, Recommended};
pub(super) use project::{Environment, EnvironmentList, Project, ProjectPage};
use serde::{Deserialize, Deserializer};
pub(super) use variable::{EnvPage, EnvVar};

/// A member that is null means as much as one that is not there.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Cursor of the next page: a number or an opaque string.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Cursor {
    Number(serde_json::Number),
    Token(String),
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Token(token) => token.fmt(f),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pagination {
    pub next: Option<Cursor>,
}
