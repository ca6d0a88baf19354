//! From a manifest and what it refers to, to what it asks for.

mod env;
mod lookup;
mod repository;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use forkable_crds::{
    ADOPT_ANNOTATION, CHALLENGE_ANNOTATION, Fork, ForkSpec, PAUSE_ANNOTATION, deployment::StrategyType, fork,
};

use super::{Desired, desired};
use crate::{
    DigestKey, Secret,
    hosting::{DomainItem, ProjectSettings},
    monitoring,
    release::{self, analysis},
    store::Kind,
};
use lookup::Lookup;

/// Characters of an annotation that says who wants something of the project; a status holds no more.
const LONGEST_WISH: usize = 512;

/// Names of what a spec refers to, all in the Fork's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    pub secrets: BTreeSet<String>,
    pub config_maps: BTreeSet<String>,
    /// Name of the variable and length of the value to generate. Variables of one name share one value, so that no
    /// other change to the manifest can make it anew.
    pub generated: BTreeMap<String, usize>,
}

/// What [`References`] were found to be; what is missing is absent.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub secrets: BTreeMap<String, BTreeMap<String, Secret>>,
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    pub generated: BTreeMap<String, Secret>,
}

impl Resolved {
    /// Every value that must not be seen.
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values().flat_map(BTreeMap::values).chain(self.generated.values())
    }
}

/// A field that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path, such as `spec.env[2].valueFrom.secretKeyRef`.
    pub field: String,
    /// Condition reason, such as `SecretNotFound`.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it may heal without another spec (a missing Secret may appear).
    pub transient: bool,
}

/// What a spec refers to.
pub fn references(spec: &ForkSpec) -> References {
    let mut found = References::default();
    for variable in &spec.env {
        let Some(source) = &variable.value_from else { continue };
        found.secrets.extend(source.secret_key_ref.iter().map(|key| key.name.clone()));
        found.config_maps.extend(source.config_map_key_ref.iter().map(|key| key.name.clone()));
        if let Some(generate) = &source.generate {
            let length = usize::try_from(generate.length).unwrap_or_default();
            found.generated.entry(variable.name.clone()).or_insert(length);
        }
    }
    for source in &spec.env_from {
        found.secrets.extend(source.secret_ref.iter().map(|secret| secret.name.clone()));
        found.config_maps.extend(source.config_map_ref.iter().map(|map| map.name.clone()));
    }
    let analysis = spec.release.analysis.as_deref().into_iter();
    found.secrets.extend(analysis.flat_map(analysis::secrets).map(str::to_owned));
    found.secrets.extend(monitoring::secrets(spec).into_iter().map(str::to_owned));
    found.secrets.extend(spec.repository.secrets.iter().map(|secret| secret.secret_key_ref.name.clone()));
    found
}

/// What the Fork asks for, or every field that cannot be honoured.
pub fn validate(fork: &Fork, resolved: &Resolved, key: &DigestKey) -> Result<Desired, Vec<Invalid>> {
    let Fork { metadata, spec, .. } = fork;
    let mut lookup = Lookup::new(fork.namespace(), resolved);
    let files = repository::files(fork, &mut lookup);
    let actions = repository::actions(&spec.repository, &mut lookup, key);
    let project = project(&spec.project, &spec.release, metadata.annotations.as_ref(), &mut lookup);
    gates(spec, &mut lookup);
    let env = env::variables(spec, &mut lookup, key);
    let domains = domains(&spec.domains, &mut lookup);
    judged(spec, &mut lookup);
    probed(spec, &mut lookup);
    lookup.finish()?;
    let annotations = metadata.annotations.as_ref();
    Ok(Desired {
        uid: fork.uid().into(),
        namespace: fork.namespace().into(),
        name: fork.name().into(),
        generation: fork.generation(),
        template: desired::Template {
            owner: spec.template.owner.clone(),
            repo: spec.template.repo.clone(),
            git_ref: spec.template.git_ref.clone(),
            mode: spec.template.mode,
        },
        repository: repository::settings(&spec.repository),
        files,
        protection: spec.repository.protection.as_deref().map(repository::rules),
        actions,
        security: spec.repository.security.clone(),
        project,
        env,
        env_policy: spec.env_policy,
        domains,
        revision_history_limit: usize::try_from(spec.release.revision_history_limit).unwrap_or_default(),
        on_env_change: spec.release.on_env_change,
        strategy: spec.release.strategy.clone(),
        previews: spec.release.previews.clone(),
        deletion_policy: spec.deletion_policy,
        adopt: annotations.and_then(|all| all.get(ADOPT_ANNOTATION)).is_some_and(|adopt| adopt == "true"),
        digest_key: key.clone(),
    })
}

fn gates(spec: &ForkSpec, lookup: &mut Lookup<'_>) {
    let Some(gates) = &spec.release.gates else { return };
    let custom = spec.project.environments.iter().map(|custom| custom.name.as_str());
    for (field, message) in release::rollout::problems(gates, custom, "Production") {
        lookup.refuse(format!("spec.release.gates.{field}"), "InvalidGates", message);
    }
}

fn project(
    spec: &fork::Project,
    release: &fork::Release,
    annotations: Option<&BTreeMap<String, String>>,
    lookup: &mut Lookup<'_>,
) -> desired::Project {
    if spec.name.contains("---") {
        lookup.refuse("spec.project.name", "InvalidName", "Vercel does not take \"---\" in a name: choose another");
    }
    let functions = spec.functions.clone().unwrap_or_default();
    let settings = ProjectSettings {
        framework: spec.framework.clone(),
        root_directory: spec.root_directory.clone(),
        install_command: spec.install_command.clone(),
        build_command: spec.build_command.clone(),
        output_directory: spec.output_directory.clone(),
        node_version: spec.node_version,
        regions: functions.regions.map(sorted),
        memory: functions.memory,
        max_duration_seconds: functions.max_duration_seconds,
        fluid: functions.fluid,
        login: spec.protection.as_ref().map(|protection| protection.login),
    };
    let environments = spec.environments.iter().map(|custom| (custom.name.clone(), custom.branch.clone())).collect();
    let holds_domains = release.strategy.strategy_type != StrategyType::Immediate;
    let wish = |annotation| annotations.and_then(|all| all.get(annotation)).filter(|wish| !wish.is_empty());
    let pause = wish(PAUSE_ANNOTATION).map(|wish| desired::Pause::parse(wish).ok_or((wish, "at")));
    let challenge = wish(CHALLENGE_ANNOTATION).map(|wish| desired::Challenge::parse(wish).ok_or((wish, "until")));
    let wrong = [
        (PAUSE_ANNOTATION, pause.as_ref().and_then(|wish| wish.as_ref().err())),
        (CHALLENGE_ANNOTATION, challenge.as_ref().and_then(|wish| wish.as_ref().err())),
    ];
    for (annotation, (wish, word)) in wrong.into_iter().filter_map(|(annotation, wrong)| Some((annotation, wrong?))) {
        let message = format!("{wish:?} is not WHO {word} TIME, such as ada {word} 2026-12-01T10:00:00Z");
        lookup.refuse(format!("metadata.annotations[{annotation}]"), "InvalidAnnotation", message);
    }
    let (pause, challenge) = (pause.and_then(Result::ok), challenge.and_then(Result::ok));
    for (annotation, wish) in
        [(PAUSE_ANNOTATION, wish(PAUSE_ANNOTATION)), (CHALLENGE_ANNOTATION, wish(CHALLENGE_ANNOTATION))]
    {
        if wish.is_some_and(|wish| wish.chars().count() > LONGEST_WISH) {
            let message = format!("it is longer than {LONGEST_WISH} characters");
            lookup.refuse(format!("metadata.annotations[{annotation}]"), "InvalidAnnotation", message);
        }
    }
    let (name, team) = (spec.name.clone(), spec.team_id.clone());
    desired::Project { name, team, settings, environments, holds_domains, pause, challenge }
}

/// Whether releases can be judged as they are to be.
fn judged(spec: &ForkSpec, lookup: &mut Lookup<'_>) {
    let Some(analysis) = &spec.release.analysis else { return };
    for (field, message) in analysis::faults(analysis) {
        lookup.refuse(format!("spec.release.analysis.{field}"), "InvalidAnalysis", message);
    }
    for (field, key) in analysis::references(analysis) {
        lookup.secret_key(&format!("spec.release.analysis.{field}"), key);
    }
}

/// Whether the product can be probed as it is to be.
fn probed(spec: &ForkSpec, lookup: &mut Lookup<'_>) {
    for (field, message) in monitoring::faults(spec) {
        lookup.refuse(format!("spec.monitoring.{field}"), "InvalidMonitoring", message);
    }
    for (field, key) in monitoring::references(spec) {
        lookup.secret_key(&format!("spec.monitoring.{field}"), key);
    }
}

/// Those that others redirect to go first, because a redirect needs its target.
fn domains(spec: &[fork::Domain], lookup: &mut Lookup<'_>) -> Vec<DomainItem> {
    let mut items = Vec::with_capacity(spec.len());
    for (index, domain) in spec.iter().enumerate() {
        if let Some(target) = domain.redirect_to.as_ref().filter(|target| target.starts_with("*.")) {
            let message = format!("{target} is no single name to redirect to: name one without *");
            lookup.refuse(format!("spec.domains[{index}].redirectTo"), "InvalidRedirect", message);
        }
        items.push(DomainItem {
            name: domain.name.clone(),
            redirect: domain.redirect_to.clone(),
            redirect_status: domain.redirect_to.as_ref().map(|_| domain.redirect_status.unwrap_or(308)),
            branch: None,
            environment: domain.environment.clone().filter(|environment| environment != "Production"),
            custom_environment_id: None,
        });
    }
    items.sort_by_key(|item| item.redirect.is_some());
    items
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort_unstable();
    list.dedup();
    list
}
