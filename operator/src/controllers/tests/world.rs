//! A folder of manifests, both providers in memory, and the driver at work on them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::{
    PortError, Secret,
    fakes::{forge::FakeForge, hosting::FakeHosting, sites::FakeSites},
    forge::ForgeChange,
    hosting::{
        BuildState, DeploymentFacts, DomainConfiguration, DomainFacts, Hosting, HostingChange, HostingDone, ProjectAsk,
        ProjectFacts, ProjectTarget, RuntimeLog, Split,
    },
    store::{ObjectRef, Store},
};
use forkable_crds::Fork;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::PATIENCE;
use crate::{
    accounts::{Accounts, Clients, Connect, Credentials, GitHubCredentials},
    clock::Clock,
    context::{Context, NoJournal, Parts},
    driver::{Driver, Limits},
    hosts::local::{LocalHost, LocalStore},
    metrics::Metrics,
};

/// Time runs this much faster, so that back-offs take no time.
const SCALE: u32 = 50;

pub(super) struct World {
    folder: TempDir,
    pub(super) forge: Arc<FakeForge>,
    pub(super) hosting: Arc<Builds>,
}

/// The fake, whose builds are in the wanted state when they are looked at.
#[derive(Debug, Default)]
pub(super) struct Builds {
    fake: FakeHosting,
    state: std::sync::Mutex<BuildState>,
    /// The next change panics, and says all that it knows.
    pub(super) panics: AtomicBool,
}

impl std::ops::Deref for Builds {
    type Target = FakeHosting;

    fn deref(&self) -> &FakeHosting {
        &self.fake
    }
}

pub(super) struct Running {
    pub(super) context: Arc<Context<LocalStore>>,
    pub(super) store: LocalStore,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Fakes(Arc<FakeForge>, Arc<Builds>);

impl Connect for Fakes {
    fn connect(&self, _: &Credentials) -> Result<Clients, String> {
        Ok((self.0.clone(), self.1.clone(), Arc::new(FakeSites::default())))
    }
}

impl World {
    /// The example, where DNS is in order and builds take no time.
    pub(super) fn with_quickstart() -> Self {
        let forge = Arc::new(FakeForge::default());
        // What was generated has its content at the next look.
        forge.world().looks_until_ready = 0;
        let files = [("README.md", "# Framework\n"), ("package.json", "{}\n")];
        forge.world().add_template("forkable-ai", "framework", &files);
        let hosting = Arc::new(Builds::default());
        hosting.world().dns = ["acme.example.com", "www.acme.example.com"].map(str::to_owned).into();
        let world = Self { folder: tempfile::tempdir().expect("a temporary folder"), forge, hosting };
        world.build(BuildState::Ready);
        world.write("acme.yaml", include_str!("../../../../deploy/examples/quickstart/acme.yaml"));
        world.write("secret.yaml", include_str!("../../../../deploy/examples/quickstart/secret.yaml"));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it is there")
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let draft = self.path(&format!(".{name}"));
        std::fs::write(&draft, text).expect("the folder can be written");
        std::fs::rename(draft, self.path(name)).expect("the folder can be written");
    }

    pub(super) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replacen(from, to, 1));
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).expect("it is there");
    }

    /// From now on, builds are in this state.
    pub(super) fn build(&self, state: BuildState) {
        *self.hosting.state.lock().expect("no test panics here") = state;
    }

    /// Every change that was asked for, of both providers.
    pub(super) fn changes(&self) -> (Vec<ForgeChange>, Vec<HostingChange>) {
        let forge = self.forge.world().changes.iter().map(|(_, change)| change.clone()).collect();
        (forge, self.hosting.world().changes.iter().map(|(_, change)| change.clone()).collect())
    }

    /// How often repositories and projects were looked at.
    pub(super) fn looks(&self) -> (u32, u32) {
        (self.forge.world().looks, self.hosting.world().looks)
    }

    pub(super) async fn run(&self) -> Running {
        let mut host = LocalHost::open(self.folder.path()).await.expect("the folder can be opened");
        assert_eq!(host.load().await.expect("the folder can be loaded"), []);
        let store = host.store();
        let own = Credentials {
            github: GitHubCredentials::Token(Secret::new("token")),
            vercel: Secret::new("token"),
            team: None,
        };
        let key = store.digest_key().await.expect("a key");
        let fakes = Fakes(self.forge.clone(), self.hosting.clone());
        let (context, woken) = Context::new(Parts {
            store: store.clone(),
            accounts: Accounts::new(Box::new(fakes), own, key),
            journal: Arc::new(NoJournal),
            history: Arc::new(NoJournal),
            outbox: Arc::new(NoJournal),
            clock: Clock::scaled(SCALE),
            metrics: Metrics::default(),
            abandon_after: Duration::from_mins(3),
            services: crate::context::Services::default(),
        });
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(Driver::new(context.clone(), woken, Limits::default()).run(stop.clone()));
        tasks.spawn(host.run(stop.clone()));
        Running { context, store, stop, tasks }
    }
}

impl Running {
    /// Waits until a Fork is as wanted.
    pub(super) async fn until(&self, name: &str, wanted: impl Fn(&Fork) -> bool) -> Arc<Fork> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let fork = self.store.get::<Fork>("default", name).await.expect("the store works");
            if let Some(fork) = &fork
                && wanted(fork)
            {
                return fork.clone();
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "waited in vain: {:#?}",
                fork.and_then(|fork| fork.status.clone())
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until a Fork is ready as its newest manifest says.
    pub(super) async fn ready(&self, name: &str) -> Arc<Fork> {
        self.until(name, |fork| {
            let status = fork.status.clone().unwrap_or_default();
            let current = status.observed_generation == fork.metadata.generation;
            current && forkable_core::condition::is_true(&status.conditions, "Ready")
        })
        .await
    }

    pub(super) async fn gone(&self, name: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.store.get::<Fork>("default", name).await.expect("the store works").is_some() {
            assert!(tokio::time::Instant::now() < deadline, "{name} does not go");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Makes one more pass of a Fork and waits for its end.
    pub(super) async fn touch(&self, name: &str) {
        let mut progress = self.context.progress.listen();
        let fork = ObjectRef::new("Fork", "default", name);
        self.context.wake(fork.clone());
        let passed = async {
            loop {
                if let Ok(crate::progress::Progress::PassEnded { object, .. }) = progress.recv().await
                    && object == fork
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, passed).await.expect("a pass ends");
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[async_trait]
impl Hosting for Builds {
    async fn observe(&self, asks: &[ProjectAsk]) -> Result<Vec<Option<ProjectFacts>>, PortError> {
        self.fake.observe(asks).await
    }

    async fn domains(&self, target: &ProjectTarget, of: &[String]) -> Result<Vec<DomainFacts>, PortError> {
        self.fake.domains(target, of).await
    }

    async fn domain_configuration(&self, target: &ProjectTarget, name: &str) -> Result<DomainConfiguration, PortError> {
        self.fake.domain_configuration(target, name).await
    }

    async fn certificates(&self, team: Option<&str>) -> Result<Vec<(Vec<String>, Timestamp)>, PortError> {
        self.fake.certificates(team).await
    }

    async fn apply(&self, target: &ProjectTarget, change: &HostingChange) -> Result<HostingDone, PortError> {
        let panics = matches!(change, HostingChange::UpsertEnv(_)) && self.panics.swap(false, Ordering::Relaxed);
        assert!(!panics, "a bug in {target:?} with {change:?}");
        self.fake.apply(target, change).await
    }

    async fn deployment(&self, target: &ProjectTarget, id: &str) -> Result<Option<DeploymentFacts>, PortError> {
        let state = *self.state.lock().expect("no test panics here");
        self.fake.world().finish_builds(state);
        self.fake.deployment(target, id).await
    }

    async fn deployments(
        &self,
        target: &ProjectTarget,
        commit: Option<&str>,
    ) -> Result<Vec<DeploymentFacts>, PortError> {
        self.fake.deployments(target, commit).await
    }

    async fn builds(&self, team: Option<&str>) -> Result<Vec<DeploymentFacts>, PortError> {
        let state = *self.state.lock().expect("no test panics here");
        self.fake.world().finish_builds(state);
        self.fake.builds(team).await
    }

    async fn build_log(&self, target: &ProjectTarget, id: &str) -> Result<Vec<String>, PortError> {
        self.fake.build_log(target, id).await
    }

    async fn runtime_log(&self, target: &ProjectTarget, id: &str) -> Result<RuntimeLog, PortError> {
        self.fake.runtime_log(target, id).await
    }

    async fn allows_steps(&self, target: &ProjectTarget) -> Result<(), PortError> {
        self.fake.allows_steps(target).await
    }

    async fn steps(&self, target: &ProjectTarget) -> Result<Option<Vec<i64>>, PortError> {
        self.fake.steps(target).await
    }

    async fn split(&self, target: &ProjectTarget) -> Result<Option<Split>, PortError> {
        self.fake.split(target).await
    }
}
