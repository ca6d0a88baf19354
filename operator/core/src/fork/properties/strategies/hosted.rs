//! What manifests ask of hosting.

use forkable_crds::fork::{EnvPolicy, LoginProtection, NodeVersion};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    Secret,
    fork::{
        Desired,
        desired::{Project, Variable},
        fixtures,
    },
    hosting::{DomainItem, ProjectSettings},
};

/// A manifest of which only the half about hosting says something.
pub(super) fn desired() -> impl Strategy<Value = Desired> {
    (project(), env(), domains(), any::<bool>()).prop_map(|(project, mut env, mut domains, is_exclusive)| {
        // As validation demands: environments are those of the project.
        let slugs: Vec<_> = project.environments.iter().map(|(slug, _)| slug.clone()).collect();
        for variable in &mut env {
            variable.environments.retain(|name| slugs.contains(name) || name.starts_with(char::is_uppercase));
        }
        env.retain(|variable| !variable.environments.is_empty());
        domains.retain(|domain| domain.environment.as_ref().is_none_or(|slug| slugs.contains(slug)));
        let env_policy = if is_exclusive { EnvPolicy::Exclusive } else { EnvPolicy::Merge };
        Desired { project, env, env_policy, domains, ..fixtures::desired() }
    })
}

fn project() -> impl Strategy<Value = Project> {
    let command = || select(vec![None, Some("npm run build".to_owned()), Some("make".to_owned())]);
    let node = option::of(select(vec![NodeVersion::V22, NodeVersion::V24]));
    let login = option::of(select(vec![LoginProtection::Off, LoginProtection::Standard]));
    let regions = option::of(select(vec![vec!["iad1".to_owned()], vec!["fra1".to_owned()]]));
    let settings = (command(), command(), node, login, regions, any::<Option<bool>>(), any::<bool>());
    let environments = option::of(select(vec!["staging", "develop"]));
    (select(vec!["acme", "acme-2"]), settings, environments).prop_map(
        |(name, (build_command, install_command, node_version, login, regions, fluid, holds_domains), branch)| {
            Project {
                name: name.into(),
                team: None,
                settings: ProjectSettings {
                    framework: Some("nextjs".into()),
                    build_command,
                    install_command,
                    node_version,
                    login,
                    regions,
                    fluid,
                    ..ProjectSettings::default()
                },
                environments: branch.map(|branch| ("staging".into(), branch.into())).into_iter().collect(),
                holds_domains,
                pause: None,
                challenge: None,
            }
        },
    )
}

fn variable(key: &str, value: &str, environments: &[&str], branch: Option<&str>, sensitive: bool) -> Variable {
    let mut environments: Vec<String> = environments.iter().map(|&name| name.into()).collect();
    environments.sort_unstable();
    Variable {
        key: key.into(),
        value: Secret::new(value),
        digest: fixtures::key().digest(&format!("env/{key}"), value),
        environments,
        branch: branch.map(Into::into),
        sensitive,
    }
}

/// Up to two variables of each key, which do not overlap.
fn env() -> impl Strategy<Value = Vec<Variable>> {
    let environments = select(vec![
        vec!["Production", "Preview"],
        vec!["Production"],
        vec!["Preview", "staging"],
        vec!["staging"],
        vec!["Production", "Preview", "Development"],
    ]);
    let one = (environments, select(vec!["1", "2"]), any::<bool>(), any::<bool>());
    let of = |key: &'static str| {
        option::of(one.clone()).prop_map(move |one| {
            let Some((environments, value, sensitive, on_branch)) = one else { return Vec::new() };
            let sensitive = sensitive && !environments.contains(&"Development");
            let mut variables = vec![variable(key, value, &environments, None, sensitive)];
            if on_branch {
                variables.push(variable(key, value, &["Preview"], Some("feature"), sensitive));
            }
            variables
        })
    };
    (of("A"), of("B"), of("C")).prop_map(|(a, b, c)| [a, b, c].concat())
}

fn domains() -> impl Strategy<Value = Vec<DomainItem>> {
    let apex = DomainItem { name: "acme.example.com".into(), ..DomainItem::default() };
    let www = DomainItem {
        name: "www.acme.example.com".into(),
        redirect: Some("acme.example.com".into()),
        redirect_status: Some(308),
        ..DomainItem::default()
    };
    let staging = DomainItem {
        name: "staging.acme.example.com".into(),
        environment: Some("staging".into()),
        ..DomainItem::default()
    };
    let other = DomainItem { name: "other.example.com".into(), ..DomainItem::default() };
    vec(any::<bool>(), 4).prop_map(move |wanted| {
        let wanted: Vec<_> = [&apex, &www, &staging, &other].into_iter().zip(wanted).collect();
        let has_apex = wanted[0].1;
        let is_wanted = |(domain, wanted): &(&DomainItem, bool)| *wanted && (has_apex || domain.redirect.is_none());
        wanted.iter().filter(|domain| is_wanted(domain)).map(|(domain, _)| (*domain).clone()).collect()
    })
}
