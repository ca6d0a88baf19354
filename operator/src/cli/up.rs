//! `forkable up`: the local host, from the folder to the running products.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use forkable_core::{
    Secret,
    store::{Kind, Store},
};
use forkable_crds::AlertRule;
use forkable_providers::journal::SqliteJournal;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Connection, duration, environment,
    logging::{self, LogFormat},
    sandbox::{self, SettingsArguments},
    state,
    view::{Screen, View},
};
use crate::{
    accounts::Accounts,
    alerting::Evaluator,
    clock::Clock,
    connect::{Connector, notifier},
    context::{Context, Parts},
    controllers::fork::ABANDON_AFTER,
    driver::{Driver, Limits},
    hosts::local::{LocalHost, LocalStore, WISHES_FILE},
    metrics::Metrics,
    monitoring::Monitor,
    notify::Dispatcher,
    observe::Sweeper,
    panics,
    progress::Standing,
    server::{Access, Server, Shell},
};

/// Port of the web page, health, metrics and webhooks, unless told otherwise; a free one if it is taken.
const PORT: u16 = 8674;
/// How long everything may take to end.
const GRACE: Duration = Duration::from_secs(12);
/// How often `--once` looks whether it is done, beside being told.
const LOOK: Duration = Duration::from_millis(20);
/// After this, `up` says that it is watching even if something is not settled.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between sweeps of a sandbox that was started here.
const SANDBOX_RESYNC: Duration = Duration::from_secs(3);

/// Make the manifests of a folder true, and keep them true.
///
/// The folder is watched: a saved manifest is applied at once. What changes outside is brought back. State is kept in
/// DIR/.forkable.
///
/// Examples:
///   forkable up deploy/examples/quickstart --sandbox     try it without any account
///   forkable up DIR                                      with real accounts, see the environment below
///   forkable up DIR --once --output json                 for scripts: ends once nothing more can be done
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = environment::HELP)]
pub(super) struct Arguments {
    /// Folder of manifests: Forks, and the Secrets and ConfigMaps that they refer to.
    dir: PathBuf,
    /// Use a stand-in for GitHub and Vercel: one that is started here, or the one at URL.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    sandbox: Option<String>,
    /// End once every object is ready or waits for a person: exit 0 if all are ready, else 1.
    #[arg(long)]
    once: bool,
    /// The longest that `--once` may take.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    timeout: Duration,
    /// Where the web page, health, metrics and webhooks are served [default: 127.0.0.1:8674].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where metrics are served instead [default: where health and webhooks are].
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Time between looks at a small fleet; it grows with the fleet [default: 30s, with --sandbox 3s].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    resync: Option<Duration>,
    /// Form of the output; text is a live view in a terminal and lines in a pipe.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Log more: -v what is done, -vv every call.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Time runs this many times as fast.
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    time_scale: u32,
    #[command(flatten, next_help_heading = "Sandbox that is started here")]
    settings: SettingsArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
}

impl Arguments {
    pub(super) async fn run(self, log_format: LogFormat) -> anyhow::Result<u8> {
        let (view, screen) = View::new(self.output);
        let level = match (self.verbose, &screen) {
            (0, Screen::Live) => "off",
            (0, _) => "warn",
            (1, _) => "info",
            _ => "forkable=debug,forkable_core=debug,forkable_providers=debug,info",
        };
        logging::start(log_format, level);
        panics::begin_anew(String::new());
        // Before anything is made in the folder: what is missing is said first.
        let remote = match self.sandbox.as_deref() {
            None => Some(Connection::from_environment().map_err(anyhow::Error::msg)?),
            Some("") => match sandbox::ABSENT {
                Some(why) => anyhow::bail!(why),
                None => None,
            },
            Some(url) => Some(Connection::sandbox(url).map_err(anyhow::Error::msg)?),
        };
        let host = LocalHost::open(&self.dir).await?;
        let listener = listen(self.listen).await?;
        let address = listener.local_addr()?;
        let (connection, sandbox, secret) = if let Some(connection) = remote {
            (connection, None, environment::webhook_secret())
        } else {
            let snapshot = state::folder(&self.dir).join(state::SANDBOX_FILE);
            let started = self.settings.start(snapshot, address).await;
            let (sandbox, secret) = started.context("starting the sandbox")?;
            (Connection::sandbox(&sandbox.url()).map_err(anyhow::Error::msg)?, Some(sandbox), Some(secret))
        };
        let code = self.work(host, connection, listener, secret, view, sandbox.as_ref()).await;
        if let Some(sandbox) = sandbox {
            sandbox.stop().await;
        }
        code
    }

    async fn work(
        &self,
        mut host: LocalHost,
        connection: Connection,
        listener: TcpListener,
        secret: Option<Secret>,
        mut view: View,
        sandbox: Option<&sandbox::Server>,
    ) -> anyhow::Result<u8> {
        let metrics_listener = match self.metrics_listen {
            Some(address) => Some(listen(Some(address)).await?),
            None => None,
        };
        let store = host.store();
        let clock = Clock::scaled(self.time_scale);
        let metrics = Metrics::default();
        let journal = SqliteJournal::open(&state::folder(&self.dir).join(state::JOURNAL_FILE)).await?;
        let prober = environment::prober(connection.endpoints.sites.clone()).map_err(anyhow::Error::msg)?;
        let notifier = notifier(&connection.endpoints)?;
        let services = connection.endpoints.services.clone();
        let connector =
            Connector::new(connection.endpoints, clock.clone(), &metrics).context("making the HTTP client")?;
        let accounts = Accounts::new(Box::new(connector), connection.credentials, store.digest_key().await?);
        panics::begin_anew_behind(accounts.fence());
        let parts = Parts {
            store,
            accounts,
            journal: Arc::new(journal.clone()),
            history: Arc::new(journal.clone()),
            outbox: Arc::new(journal.clone()),
            clock,
            metrics,
            abandon_after: ABANDON_AFTER,
            services,
        };
        let (context, woken) = Context::new(parts);
        view.started(listener.local_addr()?, sandbox.map(sandbox::Server::url).as_deref());
        let mut progress = context.progress.listen();
        host.load().await?;
        let mut problems = host.problems();
        view.problems(&problems.borrow_and_update());

        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let access = Access {
            webhooks: secret,
            metrics: environment::metrics_token(),
            is_guarded: false,
            web: environment::web_token(),
            shell: Shell::Folder(self.dir.display().to_string()),
        };
        let server = Server::new(context.clone(), access);
        tasks.spawn(server.run(listener, metrics_listener, stop.clone()));
        let resync = self.resync.or(self.sandbox.is_some().then_some(SANDBOX_RESYNC));
        tasks.spawn(Sweeper::new(context.clone(), resync).run(stop.clone()));
        tasks.spawn(Dispatcher::new(context.clone(), notifier).run(stop.clone()));
        tasks.spawn(Evaluator::new(context.clone()).run(stop.clone()));
        tasks.spawn(keep_schedule(context.clone(), self.dir.clone(), stop.clone()));
        tasks.spawn(watch_brake(context.clone(), self.dir.clone(), stop.clone()));
        tasks.spawn(Monitor::run(context.clone(), prober, stop.clone()));
        tasks.spawn(host.run(stop.clone()));
        let mut driver = tasks.spawn(Driver::new(context.clone(), woken, Limits::default()).run(stop.clone()));

        let stopped = stopped();
        tokio::pin!(stopped);
        let deadline = tokio::time::sleep(self.timeout);
        tokio::pin!(deadline);
        let began = tokio::time::Instant::now();
        let mut watching = false;
        let mut look = tokio::time::interval(LOOK);
        let outcome = loop {
            tokio::select! {
                biased;
                event = progress.recv() => match event {
                    Ok(event) => { view.show(&event); continue }
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => break Ok(super::FAILED),
                },
                Ok(()) = problems.changed() => view.problems(&problems.borrow_and_update()),
                ended = &mut driver => break ended.context("the driver")?.context("the store").map(|()| super::FAILED),
                ended = &mut stopped => break ended.map(|()| super::DONE).context("waiting for a signal"),
                () = &mut deadline, if self.once => {
                    view.notice(&format!("not done within {:?}", self.timeout));
                    break Ok(super::FAILED);
                }
                _ = look.tick() => {}
            }
            let settled = settled(&context);
            if self.once
                && let Some(all_ready) = settled
            {
                let clean = problems.borrow().is_empty();
                break Ok(if all_ready && clean { super::DONE } else { super::FAILED });
            }
            if !watching && !self.once && (settled.is_some() || began.elapsed() > PATIENCE) {
                watching = true;
                view.notice(&format!("watching {} for changes; Ctrl-C ends", self.dir.display()));
            }
        };
        while let Ok(event) = progress.try_recv() {
            view.show(&event);
        }
        view.finish();
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!("not everything ended in time");
        }
        journal.close().await;
        outcome
    }
}

/// Whether every Fork stands still, and if so, whether all of them are ready.
fn settled(context: &Context<LocalStore>) -> Option<bool> {
    if !context.is_loaded() || !context.progress.is_at_rest() {
        return None;
    }
    context.fleet.with_forks(|forks| {
        let mut all_ready = true;
        for fork in forks {
            match context.progress.standing(&fork.reference()) {
                Some(Standing::Ready) if !fork.is_deleting() => {}
                Some(Standing::Person) => all_ready = false,
                _ => return None,
            }
        }
        Some(all_ready)
    })
}

async fn keep_schedule(context: Arc<Context<LocalStore>>, dir: PathBuf, stop: CancellationToken) {
    context.schedule.keep(state::folder(&dir).join(state::SCHEDULE_FILE), stop).await;
}

/// Takes in wishes about rules.
async fn hear_rules(context: &Context<LocalStore>) {
    match context.store.list::<AlertRule>().await {
        Ok(rules) => rules.into_iter().for_each(|rule| context.fleet.put_rule(rule)),
        Err(error) => tracing::warn!(%error, "wishes about alert rules are not heard yet"),
    }
    context.alerts.wake();
}

/// Releases the brake when a person asked for it with `forkable resume`, and hears wishes about releases.
async fn watch_brake(context: Arc<Context<LocalStore>>, dir: PathBuf, stop: CancellationToken) {
    let file = state::folder(&dir).join(state::RESUME_FILE);
    let wishes = state::folder(&dir).join(WISHES_FILE);
    loop {
        if std::fs::remove_file(&wishes).is_ok() {
            context.fleet.with_releases(|releases| releases.for_each(|release| context.wake(release.reference())));
            hear_rules(&context).await;
        }
        if std::fs::remove_file(&file).is_ok() {
            context.brake.release();
            context.fleet.with_forks(|forks| forks.iter().for_each(|fork| context.wake(fork.reference())));
        }
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
            return;
        }
    }
}

async fn listen(address: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind(address).await.with_context(|| format!("listening on {address}"));
    }
    let loopback = std::net::Ipv4Addr::LOCALHOST;
    match TcpListener::bind((loopback, PORT)).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((loopback, 0)).await.context("listening on a free port")
        }
        bound => bound.with_context(|| format!("listening on {loopback}:{PORT}")),
    }
}

/// Waits for Ctrl-C or a request to terminate.
pub(super) async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
