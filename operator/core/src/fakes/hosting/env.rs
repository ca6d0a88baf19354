//! Variables of the fake: written by identity, refused one by one.

use super::{World, rejected, stale};
use crate::{
    PortError,
    hosting::{EnvItem, EnvRow, HostingDone, ProjectTarget},
};

impl World {
    /// Writes those that are not refused; the error names the refused ones.
    pub(super) fn upsert_env(&mut self, target: &ProjectTarget, items: &[EnvItem]) -> Result<HostingDone, PortError> {
        let (mut written, mut refused) = (Vec::new(), Vec::new());
        self.of(target)?;
        for item in items {
            let new = self.row(item)?;
            match self.put(target, new) {
                Ok(row) => written.push(row),
                Err(reason) => refused.push(format!("{}: {reason}", item.key)),
            }
        }
        if refused.is_empty() {
            return Ok(HostingDone::Env(written));
        }
        Err(rejected("BAD_REQUEST", refused.join("; ")))
    }

    fn row(&mut self, item: &EnvItem) -> Result<EnvRow, PortError> {
        let builtin = |name: &&String| ["Production", "Preview", "Development"].contains(&name.as_str());
        let mut targets: Vec<String> =
            item.environments.iter().filter(builtin).map(|name| name.to_ascii_lowercase()).collect();
        targets.sort_unstable();
        if targets.len() + item.custom_environment_ids.len() != item.environments.len() {
            return Err(stale(format!("the environments of {} are not all made yet", item.key)));
        }
        let mut custom_environment_ids = item.custom_environment_ids.clone();
        custom_environment_ids.sort_unstable();
        Ok(EnvRow {
            id: self.id("row"),
            key: item.key.clone(),
            targets,
            custom_environment_ids,
            branch: item.branch.clone(),
            sensitive: item.sensitive,
            updated_at: self.tick(),
            integration: false,
        })
    }

    fn put(&mut self, target: &ProjectTarget, mut new: EnvRow) -> Result<EnvRow, String> {
        if self.reserved_keys.contains(&new.key) {
            return Err(format!("The name `{}` is reserved.", new.key));
        }
        let facts = &mut self.of(target).map_err(|error| error.to_string())?.facts;
        if new.targets.is_empty() && new.custom_environment_ids.is_empty() {
            return Err("At least one target or custom environment is required.".into());
        }
        if new.sensitive && new.targets.iter().any(|target| target == "development") {
            return Err("You cannot set a Sensitive Environment Variable's target to development.".into());
        }
        let known = |id: &String| facts.environments.iter().any(|environment| environment.id == *id);
        if !new.custom_environment_ids.iter().all(known) {
            return Err("The custom environment was not found.".into());
        }
        if new.branch.is_some() && (new.targets != ["preview"] || !new.custom_environment_ids.is_empty()) {
            return Err("A Git branch can only be set for Environment Variables with the target preview.".into());
        }
        let shared = |a: &[String], b: &[String]| a.iter().any(|item| b.contains(item));
        let overlaps = |row: &&mut EnvRow| {
            row.key == new.key
                && row.branch == new.branch
                && (shared(&row.targets, &new.targets)
                    || shared(&row.custom_environment_ids, &new.custom_environment_ids))
        };
        let mut same: Vec<&mut EnvRow> = facts.env.iter_mut().filter(overlaps).collect();
        match &mut same[..] {
            [] => facts.env.push(new.clone()),
            [old] => {
                new.id.clone_from(&old.id);
                **old = new.clone();
            }
            _ => return Err(format!("A variable with the name `{}` already exists for the target", new.key)),
        }
        facts.env.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(new)
    }
}
