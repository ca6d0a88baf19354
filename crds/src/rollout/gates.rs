//! What a release waits for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflow::ApprovalEnvironment;

/// What has to be so before a release goes live. Checks, reviews and the order of environments hold up the build and,
/// should they have changed, the promotion; freeze windows hold up the promotion and the steps of a canary, the approval
/// the promotion only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.approvalEnvironment) || (has(self.approval) && self.approval == 'Required')").message("approvalEnvironment is for approval Required").field_path(".approvalEnvironment"),
    validation = Rule::new("!has(self.separationOfDuties) || !self.separationOfDuties || (has(self.approval) && self.approval == 'Required') || has(self.reviews)").message("separationOfDuties needs approval Required or reviews: otherwise nobody approves").field_path(".separationOfDuties")
)]
pub struct Gates {
    /// Whether a person has to approve the candidate before it is promoted: `forkable approve`.
    #[serde(default)]
    pub approval: Approval,
    /// A GitHub environment whose reviewers may approve the candidate, too; one who rejects it aborts the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_environment: Option<ApprovalEnvironment>,
    /// How long a release may wait for its gates, freeze windows among them; then it fails, and what served goes on
    /// serving. A canary whose step is frozen or not approved for so long goes back. Without, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub timeout_seconds: Option<i64>,
    /// Check runs and commit statuses that have to be successful, neutral or skipped. The newest run of a name counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub checks: Vec<GateCheck>,
    /// Reviews of the pull request that brought the commit in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviews: Option<Reviews>,
    /// Environments of the Fork in which the same commit has to be released and healthy before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub after: Vec<After>,
    /// When nothing is promoted, and no canary gets more visitors. The annotation `forkable.dev/override-freeze` with a reason lets one release through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub freeze_windows: Vec<FreezeWindow>,
    /// Whoever wrote the commit cannot be the only one who approves it.
    #[serde(default, skip_serializing_if = "is_off")]
    pub separation_of_duties: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_off(switch: &bool) -> bool {
    !switch
}

/// Whether a person has to approve a candidate.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    #[default]
    NotRequired,
    Required,
}

/// A check run or commit status.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GateCheck {
    /// Name of the check run, or context of the commit status.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Id of the GitHub App that has to report it: a check of another App or a commit status does not count. Without,
    /// whoever reports it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub app_id: Option<i64>,
}

/// Reviews that a pull request needs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Reviews {
    /// Reviewers with write access whose newest review approves. One who requests changes closes the gate.
    #[schemars(range(min = 1, max = 6))]
    pub minimum: i32,
}

/// An environment that comes before.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct After {
    /// `Preview` or a name in the Fork's `project.environments`.
    #[schemars(length(min = 1, max = 32))]
    pub environment: String,
}

/// A time in which nothing is promoted: every week (`start` and `end`, on `days`), or once (`from` and `to`).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.start) == has(self.end) && has(self.from) == has(self.to) && has(self.start) != has(self.from)").message("a freeze window has either start and end (times of day) or from and to (points in time)"),
    validation = Rule::new("has(self.start) || (!has(self.days) && !has(self.timeZone))").message("days and timeZone go with start and end; from and to have their offset in themselves")
)]
pub struct FreezeWindow {
    /// Name for people.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// IANA name of the time zone of `start` and `end`, such as `Europe/Berlin`; UTC by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Days on which it begins; every day by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<Day>,
    /// Time of day at which it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub start: Option<String>,
    /// Time of day at which it ends; on the next day if it is not after `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub end: Option<String>,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

/// A day of the week.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
