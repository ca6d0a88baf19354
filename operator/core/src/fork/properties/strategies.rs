//! What manifests ask for.

mod hosted;

use forkable_crds::fork::{Overwrite, Security, TemplateMode, Visibility};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    forge::{BranchRules, Branches, Environment},
    fork::{
        Desired,
        desired::{Actions, ActionsValue, File, Repository},
        fixtures,
    },
};

/// Manifests for one Fork.
pub(super) fn desired() -> impl Strategy<Value = Desired> {
    let mode = select(vec![TemplateMode::Template, TemplateMode::Fork, TemplateMode::Copy]);
    let parts = (mode, repository(), vec(file(), 0..3), option::of(rules()), actions(), option::of(security()));
    (parts, hosted::desired()).prop_map(|((mode, repository, mut files, protection, actions, security), hosted)| {
        let mut desired = Desired { repository, protection, actions, security, ..hosted };
        desired.template.mode = mode;
        if mode == TemplateMode::Fork {
            desired.repository.visibility = Visibility::Public;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        desired.files = files;
        desired
    })
}

fn text() -> impl Strategy<Value = Option<String>> {
    select(vec![None, Some(String::new()), Some("Acme".into()), Some("Acme Inc".into())])
}

fn repository() -> impl Strategy<Value = Repository> {
    let visibility = select(vec![Visibility::Private, Visibility::Public]);
    let name = select(vec!["acme", "acme-2"]);
    let topics =
        select(vec![None, Some(vec![]), Some(vec!["a".to_owned()]), Some(vec!["a".to_owned(), "b".to_owned()])]);
    let branch = select(vec![None, Some("main".to_owned()), Some("production".to_owned())]);
    let switches: [Option<bool>; 3] = [None; 3];
    (name, visibility, text(), text(), topics, branch, switches.map(|_| any::<Option<bool>>())).prop_map(
        |(name, visibility, description, homepage, topics, default_branch, [issues, wiki, delete])| Repository {
            name: name.into(),
            visibility,
            description,
            homepage,
            topics,
            issues,
            wiki,
            delete_branch_on_merge: delete,
            default_branch,
            ..fixtures::desired().repository
        },
    )
}

fn file() -> impl Strategy<Value = File> {
    let overwrite = select(vec![Overwrite::Always, Overwrite::IfUnchanged]);
    (select(vec!["README.md", "brand.json"]), select(vec!["a\n", "b\n", "hello\n"]), overwrite)
        .prop_map(|(path, content, overwrite)| fixtures::file(path, content, overwrite))
}

fn rules() -> impl Strategy<Value = BranchRules> {
    (option::of(0..3), any::<bool>()).prop_map(|(required_reviews, linear_history)| BranchRules {
        required_reviews,
        linear_history,
        block_deletion: true,
        ..BranchRules::default()
    })
}

fn values(prefix: &'static str) -> impl Strategy<Value = Vec<ActionsValue>> {
    let environment = select(vec![None, Some("production"), Some("staging")]);
    let value = (select(vec!["A", "B"]), environment, select(vec!["1", "2"]));
    vec(value, 0..4).prop_map(move |values| {
        let mut values: Vec<_> = values
            .into_iter()
            .map(|(name, environment, value)| fixtures::value(&format!("{prefix}_{name}"), environment, value))
            .collect();
        values.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
        values.dedup_by(|a, b| (&a.environment, &a.name) == (&b.environment, &b.name));
        values
    })
}

fn environment(name: &'static str) -> impl Strategy<Value = Environment> {
    let branches = select(vec![
        Branches::All,
        Branches::Protected,
        Branches::Patterns(vec!["main".into()]),
        Branches::Patterns(vec!["v*".into(), "main".into()]),
    ]);
    let reviewers = select(vec![vec![], vec!["team:ops".to_owned(), "user:ada".to_owned()]]);
    (branches, reviewers, 0..2).prop_map(|(branches, reviewers, wait_minutes)| Environment {
        name: name.into(),
        reviewers,
        prevent_self_review: false,
        wait_minutes,
        branches,
    })
}

fn actions() -> impl Strategy<Value = Actions> {
    let environments = (option::of(environment("production")), option::of(environment("staging")));
    (environments, values("SECRET"), values("VAR")).prop_map(|((production, staging), mut secrets, mut variables)| {
        let environments: Vec<_> = production.into_iter().chain(staging).collect();
        // As the schema demands: values belong to environments of the manifest.
        let is_known = |value: &ActionsValue| {
            value.environment.as_ref().is_none_or(|name| environments.iter().any(|there| there.name == *name))
        };
        secrets.retain(is_known);
        variables.retain(is_known);
        Actions { environments, secrets, variables }
    })
}

fn security() -> impl Strategy<Value = Security> {
    (any::<Option<bool>>(), any::<Option<bool>>(), any::<Option<bool>>()).prop_map(|(scanning, alerts, fixes)| {
        Security {
            secret_scanning: scanning,
            push_protection: scanning,
            dependabot_alerts: alerts,
            dependabot_fixes: fixes.map(|fixes| fixes && alerts == Some(true)),
        }
    })
}
