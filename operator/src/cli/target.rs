//! What people write for an object: `acme`, `fork/acme`, `team/acme`, or `team/fork/acme` as it is printed.

use std::{convert::Infallible, str::FromStr};

/// The kinds that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Fork,
    Deployment,
    AlertRule,
}

impl What {
    /// By singular, plural or short name, with or without the group.
    pub(super) fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.strip_suffix(".forkable.dev").unwrap_or(&word) {
            "fork" | "forks" => Some(Self::Fork),
            "deployment" | "deployments" | "fdep" => Some(Self::Deployment),
            "alertrule" | "alertrules" | "far" => Some(Self::AlertRule),
            _ => None,
        }
    }
}

/// Which object a person means; what was not written is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) what: Option<What>,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (before, name) = text.rsplit_once('/').map_or((None, text), |(before, name)| (Some(before), name));
        let (namespace, what) = match before {
            None => (None, None),
            Some(before) => match before.rsplit_once('/') {
                Some((namespace, word)) => (Some(namespace.to_owned()), What::of(word)),
                None => What::of(before).map_or((Some(before.to_owned()), None), |what| (None, Some(what))),
            },
        };
        Ok(Self { what, namespace, name: name.to_owned() })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_by_every_way_of_writing_it() {
        for (text, what, namespace) in [
            ("acme", None, None),
            ("team/acme", None, Some("team")),
            ("fork/acme", Some(What::Fork), None),
            ("forks.forkable.dev/acme", Some(What::Fork), None),
            ("fdep/acme", Some(What::Deployment), None),
            ("alertrule/acme", Some(What::AlertRule), None),
            ("team/deployment/acme", Some(What::Deployment), Some("team")),
        ] {
            let target: Target = text.parse().expect("never fails");
            assert_eq!((target.what, target.namespace.as_deref(), &*target.name), (what, namespace, "acme"), "{text}");
        }
    }
}
