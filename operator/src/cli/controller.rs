//! `forkable controller`: the Kubernetes host, from the apiserver to the running products.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use forkable_core::{
    monitoring::Prober,
    store::{Kind as _, ObjectRef, Store as _},
};
use forkable_providers::journal::SqliteJournal;
use kube::Client;
use tokio::{net::TcpListener, sync::mpsc::UnboundedReceiver};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Connection, duration, environment};
use crate::{
    accounts::{Accounts, OwnCredentials},
    alerting::Evaluator,
    clock::Clock,
    connect::{Connector, notifier},
    context::{Context, Parts},
    driver::{Driver, Limits},
    hosts::kubernetes::{self, Elector, KubernetesStore, Options, Shard, Times},
    metrics::Metrics,
    monitoring::Monitor,
    notify::Dispatcher,
    observe::Sweeper,
    panics,
    server::{Access, Server, Shell},
};

/// How long the server and the journal may take to end after the passes.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Make the Forks of a cluster true, and keep them true.
///
/// Runs in a pod with a ServiceAccount, or anywhere with a kubeconfig. The chart installs it with the CRDs and the
/// rights that it needs.
///
/// Examples:
///   forkable controller                                        all namespaces, credentials from the environment
///   forkable controller --watch-namespace team-a,team-b        only these; a Role in each is enough
///   forkable controller --sandbox http://127.0.0.1:9000        try it with `forkable sandbox`, without any account
///   forkable controller --leader-elect=false                   one replica that no other stands by for
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = environment::HELP)]
pub(super) struct Arguments {
    /// Namespaces whose Forks are served [default: all].
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', env = "FORKABLE_WATCH_NAMESPACE")]
    watch_namespace: Vec<String>,
    /// Namespace of the Lease and of the key of all digests [default: that of the pod, or of the kubeconfig's context].
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    namespace: Option<String>,
    /// Context of the kubeconfig to use.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Use the stand-in for GitHub and Vercel at URL.
    #[arg(long, value_name = "URL", env = "FORKABLE_SANDBOX")]
    sandbox: Option<String>,
    /// Where the web page, health, metrics and webhooks are served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080", env = "FORKABLE_LISTEN")]
    listen: SocketAddr,
    /// Where metrics are served instead [default: where health and webhooks are].
    #[arg(long, value_name = "ADDRESS", env = "FORKABLE_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// File of the journal [default: one in a temporary folder, which ends with the pod].
    #[arg(long, value_name = "FILE", env = "FORKABLE_JOURNAL")]
    journal: Option<PathBuf>,
    /// Time between looks at a small fleet; it grows with the fleet [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "FORKABLE_RESYNC")]
    resync: Option<Duration>,
    /// Passes that run at once.
    #[arg(long, value_name = "N", default_value_t = 64, env = "FORKABLE_CONCURRENT_PASSES",
        value_parser = clap::value_parser!(u32).range(1..))]
    concurrent_passes: u32,
    /// Passes that run at once with the same credentials; others wait and hold up nobody else.
    #[arg(long, value_name = "N", default_value_t = 16, env = "FORKABLE_CONCURRENT_PASSES_PER_CREDENTIAL",
        value_parser = clap::value_parser!(u32).range(1..))]
    concurrent_passes_per_credential: u32,
    /// How long a Fork is kept whose deletionPolicy cannot be applied, because credentials or providers are gone; then it
    /// goes, and an event says what is left outside.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m", env = "FORKABLE_ABANDON_AFTER")]
    abandon_after: Duration,
    /// How long running passes may take to end when the process is told to; less than terminationGracePeriodSeconds.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "20s", env = "FORKABLE_GRACE")]
    grace: Duration,
    /// Work on one of several parts of the objects, such as 1/3, 2/3 and 3/3 [default: on all]. The parts may be changed
    /// while everything runs: an object changes hands once its owner is gone.
    #[arg(long, value_name = "INDEX/COUNT", env = "FORKABLE_SHARD")]
    shard: Option<Shard>,
    /// Let one of several replicas work while the others stand by; false is for one replica alone.
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, env = "FORKABLE_LEADER_ELECT")]
    leader_elect: bool,
    /// How long a leader that is not heard of any more keeps its Lease.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "15s", env = "FORKABLE_LEASE_DURATION")]
    lease_duration: Duration,
    /// How long a leader may go without a renewal before it stops.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s", env = "FORKABLE_RENEW_DEADLINE")]
    renew_deadline: Duration,
    /// Time between tries to get or renew the Lease.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s", env = "FORKABLE_RETRY_PERIOD")]
    retry_period: Duration,
    /// Time runs this many times as fast.
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    time_scale: u32,
}

/// What works beside the driver.
struct Beside {
    prober: Arc<dyn Prober>,
    dispatcher: Arc<Dispatcher<KubernetesStore>>,
}

/// How a leader is elected.
struct Election {
    /// Of its own, so that other traffic cannot hold up renewals.
    client: Client,
    times: Times,
    namespace: String,
    identity: String,
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (endpoints, own) = match &self.sandbox {
            Some(url) => {
                let Connection { endpoints, credentials } = Connection::sandbox(url).map_err(anyhow::Error::msg)?;
                (endpoints, OwnCredentials::from(credentials))
            }
            None => Connection::if_any(&environment::variable).map_err(anyhow::Error::msg)?,
        };
        let times = self.times()?;
        let listen = async |address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
        };
        let listener = listen(self.listen).await?;
        let metrics_listener = match self.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let (client, namespace) = kubernetes::connect(self.context.as_deref()).await?;
        let metrics = Metrics::default();
        let options = Options {
            namespaces: self.watch_namespace.clone(),
            own_namespace: self.namespace.clone().unwrap_or(namespace),
            identity: panics::begin_anew(identity()),
            shard: self.shard,
            metrics: metrics.clone(),
        };
        let election = match times {
            Some(times) => {
                let (client, _) = kubernetes::connect(self.context.as_deref()).await?;
                Some(Election {
                    client,
                    times,
                    namespace: options.own_namespace.clone(),
                    identity: options.identity.clone(),
                })
            }
            None => None,
        };
        tracing::info!(
            identity = options.identity,
            namespace = options.own_namespace,
            listen = %listener.local_addr()?,
            "starting"
        );
        let store = KubernetesStore::start(client, options);
        let clock = Clock::scaled(self.time_scale);
        let prober = environment::prober(endpoints.sites.clone()).map_err(anyhow::Error::msg)?;
        let notifier = notifier(&endpoints)?;
        let services = endpoints.services.clone();
        let connector = Connector::new(endpoints, clock.clone(), &metrics).context("making the HTTP client")?;
        let key = store.digest_key().await.context("the key of all digests")?;
        let accounts = Accounts::new(Box::new(connector), own, key);
        panics::begin_anew_behind(accounts.fence());
        let journal = self.journal().await?;
        let abandon_after = self.abandon_after;
        let (context, woken) = Context::new(Parts {
            store,
            accounts,
            history: journal.clone(),
            outbox: journal.clone(),
            journal,
            clock,
            metrics,
            abandon_after,
            services,
        });

        let (serving, tasks) = (CancellationToken::new(), TaskTracker::new());
        let access = Access {
            webhooks: environment::webhook_secret(),
            metrics: environment::metrics_token(),
            is_guarded: true,
            web: environment::web_token(),
            shell: Shell::Cluster,
        };
        let server = Server::new(context.clone(), access);
        tasks.spawn(server.run(listener, metrics_listener, serving.clone()));
        let stop = CancellationToken::new();
        let beside = Beside { prober, dispatcher: Dispatcher::new(context.clone(), notifier) };
        let work = self.lead(context.clone(), woken, beside, election, stop.clone());
        tokio::pin!(work);
        let ended = tokio::select! {
            ended = &mut work => ended,
            stopped = super::up::stopped() => {
                stopped.context("waiting for a signal")?;
                tracing::info!(grace = ?self.grace, "stopping");
                stop.cancel();
                work.await
            }
        };
        serving.cancel();
        tasks.close();
        if tokio::time::timeout(LAST_GRACE, tasks.wait()).await.is_err() {
            tracing::debug!("a connection was still open");
        }
        ended.map(|()| super::DONE)
    }

    /// Checked before anything is done: without a Lease of its own no process may take over objects of another.
    fn times(&self) -> anyhow::Result<Option<Times>> {
        if !self.leader_elect {
            anyhow::ensure!(self.shard.is_none(), "--shard needs a Lease for each shard: leave --leader-elect on");
            return Ok(None);
        }
        let times = Times { duration: self.lease_duration, deadline: self.renew_deadline, retry: self.retry_period };
        times.check().map(Some).map_err(anyhow::Error::msg)
    }

    /// Stands by until it leads, then works, until `stop`.
    async fn lead(
        &self,
        context: Arc<Context<KubernetesStore>>,
        woken: UnboundedReceiver<ObjectRef>,
        beside: Beside,
        election: Option<Election>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        match stop.run_until_cancelled(context.store.synced()).await {
            Some(synced) => synced?,
            None => return Ok(()),
        }
        context.ready();
        tracing::info!("all objects are read");
        let Some(Election { client, times, namespace, identity }) = election else {
            return Box::pin(self.work(context, woken, beside, stop)).await;
        };
        let lease = kubernetes::lease(self.shard);
        let mut elector = Elector::new(client.clone(), &namespace, &lease, &identity, times);
        context.metrics.leads(elector.name(), false);
        if stop.run_until_cancelled(elector.acquire()).await.is_none() {
            return Ok(());
        }
        context.metrics.leads(elector.name(), true);
        context.accounts.fence().set(elector.holds_until().into_std());
        let renewed = |until: tokio::time::Instant| context.accounts.fence().set(until.into_std());
        let resumed = {
            let context = context.clone();
            move || resume(&context)
        };
        let work = async {
            // What the leader before this one wrote last has to be known.
            context.store.list_anew().await?;
            let claims = kubernetes::take_over(context.store.clone(), client, times, stop.clone());
            let (worked, ()) = tokio::join!(Box::pin(self.work(context.clone(), woken, beside, stop)), claims);
            worked
        };
        // Losing the Lease drops the work, and with it every pass that runs.
        let ended = tokio::select! {
            lost = elector.keep(renewed, resumed) => return Err(lost.into()),
            ended = work => ended,
        };
        elector.release().await;
        ended
    }

    /// Works until `stop`.
    async fn work(
        &self,
        context: Arc<Context<KubernetesStore>>,
        woken: UnboundedReceiver<ObjectRef>,
        Beside { prober, dispatcher }: Beside,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let monitor = Monitor::run(context.clone(), prober, stop.clone());
        let sweeper = Sweeper::new(context.clone(), self.resync).run(stop.clone());
        let evaluator = Evaluator::new(context.clone()).run(stop.clone());
        let dispatcher = dispatcher.run(stop.clone());
        let driver = Driver::new(context, woken, self.limits()).run(stop);
        let (driven, (), (), (), ()) = tokio::join!(driver, sweeper, monitor, evaluator, dispatcher);
        driven.context("the store")
    }

    fn limits(&self) -> Limits {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Limits {
            passes: count(self.concurrent_passes),
            per_credential: count(self.concurrent_passes_per_credential),
            grace: self.grace,
            ..Limits::default()
        }
    }

    /// Losing the journal degrades what people can look up, and what is told again.
    async fn journal(&self) -> anyhow::Result<Arc<SqliteJournal>> {
        let path = self.journal.clone().unwrap_or_else(|| std::env::temp_dir().join("forkable-journal.db"));
        match SqliteJournal::open(&path).await {
            Ok(journal) => return Ok(Arc::new(journal)),
            Err(error) => tracing::error!(path = %path.display(), %error, "the journal ends with this process"),
        }
        Ok(Arc::new(SqliteJournal::open_in_memory().await?))
    }
}

/// Lets destructive steps go on, and every Fork with them.
fn resume(context: &Context<KubernetesStore>) {
    tracing::info!("a person lets destructive steps go on");
    context.brake.release();
    context.fleet.with_forks(|forks| forks.iter().for_each(|fork| context.wake(fork.reference())));
}

/// Tells this process from every other: the name of the pod, and something of its own.
fn identity() -> String {
    let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "forkable".into());
    format!("{host}_{}", uuid::Uuid::new_v4())
}
