//! What people want of a release, by annotation or by a review.

use std::sync::Arc;

use forkable_crds::{ABORT_ANNOTATION, Deployment, ROLLBACK_ANNOTATION, THAW_ANNOTATION, rollout::RollbackTarget};

use super::{
    super::{Input, machine::Wish},
    Sight,
};

impl Input<'_> {
    pub(super) fn wish(&self, sight: &Sight) -> Option<Wish> {
        if self.annotation(ABORT_ANNOTATION).is_some() || self.rejection(sight).is_some() {
            return Some(Wish::Abort);
        }
        let back = self.rollback_target().ok().flatten().map(|_| Wish::RollBack);
        back.or_else(|| self.annotation(THAW_ANNOTATION).map(|_| Wish::Thaw))
    }

    /// What a person wants in place of this release. The error says why that cannot be.
    pub fn rollback_target(&self) -> Result<Option<Box<RollbackTarget>>, String> {
        let Some(wanted) = self.annotation(ROLLBACK_ANNOTATION) else { return Ok(None) };
        if wanted == "previous" {
            let previous = self.record().rollback_to;
            return previous
                .map(Some)
                .ok_or_else(|| "there is nothing to roll back to: nothing served before it".into());
        }
        let name = |release: &&Arc<Deployment>| release.metadata.name.as_deref() == Some(wanted);
        let Some(target) = self.siblings.iter().find(name) else {
            return Err(format!("there is no release {wanted} of this Fork to roll back to"));
        };
        let status = target.status.clone().unwrap_or_default();
        let served = status.conditions.iter().any(|condition| condition.type_ == "Live");
        match status.deployment_id {
            Some(deployment_id) if served && target.spec.environment == self.release.spec.environment => {
                Ok(Some(RollbackTarget { deployment_id, release: Some(wanted.into()) }.into()))
            }
            _ => Err(format!(
                "{wanted} has never served {}, so that it is nothing to roll back to",
                self.release.spec.environment
            )),
        }
    }
}
