//! What each plan includes.

use serde_json::Value;

use super::problem::Problem;
use crate::VercelPlan as Plan;

/// <https://vercel.com/docs/limits>
pub(super) struct Limits {
    /// Projects per team.
    pub projects: usize,
    /// Domains per project.
    pub domains: usize,
    /// Custom environments per project.
    pub custom_environments: usize,
    /// Builds at the same time per team.
    pub concurrent_builds: usize,
    /// Function regions per project.
    pub regions: usize,
    /// Longest function duration, seconds.
    pub function_seconds: u64,
}

/// The limits of `plan`.
pub(super) const fn limits(plan: Plan) -> Limits {
    match plan {
        Plan::Hobby => Limits {
            projects: 200,
            domains: 50,
            custom_environments: 0,
            concurrent_builds: 1,
            regions: 1,
            function_seconds: 300,
        },
        Plan::Pro => Limits {
            projects: usize::MAX,
            domains: usize::MAX,
            custom_environments: 1,
            concurrent_builds: 12,
            regions: 3,
            function_seconds: 800,
        },
        Plan::Enterprise => Limits {
            projects: usize::MAX,
            domains: usize::MAX,
            custom_environments: 12,
            concurrent_builds: 100,
            regions: usize::MAX,
            function_seconds: 900,
        },
    }
}

/// The plan's name in answers.
pub(super) const fn name(plan: Plan) -> &'static str {
    match plan {
        Plan::Hobby => "hobby",
        Plan::Pro => "pro",
        Plan::Enterprise => "enterprise",
    }
}

/// Refuses settings that `plan` does not include.
///
/// # Errors
/// 400, 402 or 428, as the published description of project updates lists them.
pub(super) fn check_settings(plan: Plan, body: &Value) -> Result<(), Problem> {
    let limits = limits(plan);
    if plan != Plan::Enterprise {
        if !body["passwordProtection"].is_null() {
            let message = "Password protection needs the Advanced Deployment Protection add-on.";
            return Err(Problem::new(428, "missing_protection_addon", message));
        }
        if !body["trustedIps"].is_null() {
            return Err(Problem::bad_request("Trusted IPs is only accessible for enterprise customers."));
        }
    }
    if plan == Plan::Hobby && body["ssoProtection"]["deploymentType"] == "all" {
        let message = "Advanced Deployment Protection is not available for the user plan.";
        return Err(Problem::new(428, "missing_protection_addon", message));
    }
    let functions = &body["resourceConfig"];
    if functions["functionDefaultRegions"].as_array().is_some_and(|list| list.len() > limits.regions) {
        let (name, max) = (name(plan), limits.regions);
        let message = format!("Customers on the {name} plan can deploy functions to at most {max} regions.");
        return Err(Problem::plan(message));
    }
    if functions["functionDefaultTimeout"].as_u64().is_some_and(|s| s > limits.function_seconds) {
        let (name, max) = (name(plan), limits.function_seconds);
        let message = format!("The maximum function duration on the {name} plan is {max} seconds.");
        return Err(Problem::bad_request(message));
    }
    Ok(())
}
