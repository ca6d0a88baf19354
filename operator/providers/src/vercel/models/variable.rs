//! Environment variables.

use forkable_core::hosting::EnvRow;
use serde::Deserialize;

use super::Pagination;

#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct EnvPage {
    pub envs: Vec<EnvVar>,
    #[serde(default, deserialize_with = "super::or_default")]
    pub pagination: Pagination,
}

/// A row of variables; its value is never read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct EnvVar {
    id: Option<String>,
    key: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    target: OneOrMany,
    custom_environment_ids: Option<Vec<String>>,
    git_branch: Option<String>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    configuration_id: Option<String>,
    content_hint: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

impl EnvVar {
    /// The row; `None` for rows without an id, which Vercel makes itself and nobody can change.
    pub(in crate::vercel) fn row(self) -> Option<EnvRow> {
        let mut targets = match self.target {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
            OneOrMany::None => Vec::new(),
        };
        targets.sort_unstable();
        let mut custom_environment_ids = self.custom_environment_ids.unwrap_or_default();
        custom_environment_ids.sort_unstable();
        Some(EnvRow {
            id: self.id?,
            key: self.key,
            targets,
            custom_environment_ids,
            branch: self.git_branch.filter(|branch| !branch.is_empty()),
            sensitive: self.kind == "sensitive",
            updated_at: self.updated_at.or(self.created_at).unwrap_or_default(),
            integration: self.configuration_id.is_some() || self.content_hint.is_some() || self.kind == "system",
        })
    }
}
