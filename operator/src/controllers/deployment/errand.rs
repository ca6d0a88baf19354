//! The runs of workflows that judge a release or wait for its reviewers: looked at, begun, canceled. What goes wrong at
//! GitHub holds up nothing else of the release; people are told, and it is tried again.

use std::time::Duration;

use forkable_core::{
    PortError,
    forge::{ForgeChange, ForgeDone},
    release::{
        Input,
        rollout::{
            Told,
            errand::{self, Errand, Next, Purpose},
        },
    },
    store::{Kind as _, Store, StoreError},
    workflows::{Demands, Dispatch, Found, RunAsk},
};
use forkable_crds::DeploymentStatus;
use serde_json::Value;

use super::{
    Pass,
    builds::Build,
    rollout::{SOON, Stepped, is_refusal},
};
use crate::{admission::manifest, clock::after};

/// Looks and records in one go; one run needs fewer.
const ROUNDS: usize = 4;
/// How long after an error GitHub is asked again.
const RETRY: Duration = Duration::from_secs(15);
/// The same after a refusal, and how often workflows are read that are not as they have to be.
const REFUSED: Duration = Duration::from_mins(1);

impl<S: Store> Pass<'_, S> {
    /// Goes on with the run that is due, if there is one. Answers the release as it is on record if that changed.
    pub(super) async fn run_errand(&self, input: Input<'_>, build: &mut Build) -> Result<Option<Stepped>, StoreError> {
        for _ in 0..ROUNDS {
            let Some(next) = errand::next(input, &build.sight) else {
                build.errand_at = None;
                return Ok(None);
            };
            let is_early = build.errand_at.is_some_and(|at| at > input.now);
            match next {
                Next::Look { .. } | Next::Dispatch(..) | Next::Cancel(..) if is_early => return Ok(None),
                Next::Look { ask, reviews } => match self.look_at_run(input, &ask, reviews).await {
                    Ok(seen) => {
                        build.sight.errand = seen;
                        build.errand_at = Some(after(input.now, errand::poll(input)));
                    }
                    Err(error) => {
                        self.note(input, build, &error);
                        return Ok(None);
                    }
                },
                Next::Intend(record) => {
                    let next = self.write_record(input, *record, build, None).await?;
                    build.sight.errand = Errand { is_untried: true, ..Errand::default() };
                    build.errand_at = None;
                    return Ok(Some(Stepped::On(next)));
                }
                Next::Dispatch(purpose, dispatch) => {
                    let record = self.begin_run(input, build, &purpose, dispatch).await;
                    return self.recorded(input, build, record).await;
                }
                Next::Record(record) => return self.recorded(input, build, Some(*record)).await,
                Next::Cancel(id, record) => match self.change_repository(ForgeChange::CancelRun { id }).await {
                    Err(error) if !is_refusal(&error) => {
                        self.note(input, build, &error);
                        return Ok(None);
                    }
                    // Whoever may not cancel it need not wait for it.
                    _ => return self.recorded(input, build, Some(*record)).await,
                },
            }
        }
        Ok(None)
    }

    async fn recorded(
        &self,
        input: Input<'_>,
        build: &mut Build,
        record: Option<DeploymentStatus>,
    ) -> Result<Option<Stepped>, StoreError> {
        let Some(record) = record else { return Ok(None) };
        Ok(Some(Stepped::On(self.write_record(input, record, build, None).await?)))
    }

    fn note(&self, input: Input<'_>, build: &mut Build, error: &PortError) {
        tracing::warn!(release = %self.object, %error, "a workflow run cannot be seen to");
        build.sight.errand.trouble = Some(error.to_string());
        build.errand_at = Some(after(input.now, RETRY));
    }

    async fn look_at_run(&self, input: Input<'_>, ask: &RunAsk, reviews: bool) -> Result<Errand, PortError> {
        let repository = self.repository();
        let runs = self.account.forge.runs(&repository, ask).await?;
        let found = errand::found(input, ask, runs);
        let reviews = match &found {
            Found::Run(run) if reviews => self.account.forge.run_reviews(&repository, run.id).await?,
            _ => Vec::new(),
        };
        Ok(Errand { found: Some(found), reviews, ..Errand::default() })
    }

    /// Asks for a run whose intent is on record. Answers what is to be put on record.
    async fn begin_run(
        &self,
        input: Input<'_>,
        build: &mut Build,
        purpose: &Purpose,
        dispatch: Dispatch,
    ) -> Option<DeploymentStatus> {
        build.sight.errand = Errand::default();
        build.errand_at = Some(after(input.now, SOON));
        match self.change_repository(ForgeChange::DispatchWorkflow(dispatch)).await {
            Ok(ForgeDone::Dispatched { run: Some((id, url)) }) => Some(errand::begun(input, purpose, id, &url)),
            Ok(_) => None,
            Err(error) if is_refusal(&error) => {
                let record = errand::refused(input, purpose, &error.to_string());
                if record.is_none() {
                    // Nothing was begun, so that the intent stands.
                    build.sight.errand.is_untried = true;
                    self.note(input, build, &error);
                    build.errand_at = Some(after(input.now, REFUSED));
                }
                record
            }
            Err(error) => {
                self.note(input, build, &error);
                None
            }
        }
    }

    /// Whether the workflows of a release that is about to begin can be run.
    pub(super) async fn look_at_workflows(&self, input: Input<'_>, build: &mut Build) -> Result<(), PortError> {
        let demands = errand::demands(input);
        let is_due = build.errand_at.is_none_or(|at| at <= input.now);
        let is_known = match &build.sight.workflows {
            None => false,
            Some(Ok(())) => true,
            Some(Err(_)) => !is_due,
        };
        if demands.is_empty() || is_known || self.repository().id.is_none() {
            return Ok(());
        }
        let mut wrong = None;
        for demands in &demands {
            wrong = match wrong {
                None => self.unfit(demands).await?,
                wrong => wrong,
            };
        }
        build.errand_at = wrong.as_ref().map(|_| after(input.now, REFUSED));
        build.sight.workflows = Some(wrong.map_or(Ok(()), Err));
        Ok(())
    }

    async fn unfit(&self, demands: &Demands) -> Result<Option<Told>, PortError> {
        let (repository, path) = (self.repository(), demands.path());
        // GitHub begins only what is on the default branch, too.
        for git_ref in [None, demands.git_ref.as_deref()].into_iter().take(1 + usize::from(demands.git_ref.is_some())) {
            let text = self.account.forge.file(&repository, &path, git_ref).await?;
            let parsed = text.map(|text| parse(&text));
            let is_version = demands.git_ref.as_deref() == git_ref;
            let of = Demands { git_ref: git_ref.map(str::to_owned), ..demands.clone() };
            if (is_version || parsed.is_none())
                && let Some(told) = errand::unfit(&of, parsed.as_ref())
            {
                return Ok(Some(told));
            }
        }
        let has_reviewers = |name: &String| {
            let known = self.context.cache.peek(&self.fork.reference(), |view| {
                let repository = view.observed.repository.as_ref()?;
                let mut all = repository.environments.iter();
                Some(all.any(|it| it.name.eq_ignore_ascii_case(name) && !it.reviewers.is_empty()))
            });
            // Unless it was just looked at, its run tells.
            known.flatten().unwrap_or(true)
        };
        Ok(demands.environment.as_ref().filter(|name| !has_reviewers(name)).map(|name| errand::without_reviewers(name)))
    }
}

fn parse(text: &str) -> Result<Value, String> {
    let documents = manifest::read_yaml(text).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().next().map(|document| document.value).unwrap_or_default())
}
