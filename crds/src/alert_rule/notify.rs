//! Who is told of alerts, and when.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::{fork::KeyRef, rollout::RequestHeader};

/// One channel. What must not be seen comes from Secrets, which are read when something is sent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.slack), has(self.email), has(self.webhook), has(self.alertmanager), has(self.pagerduty)].filter(x, x).size() == 1", "exactly one of slack, email, webhook, alertmanager and pagerduty must be set")
)]
pub struct Notify {
    /// Its name, for `forkable alert test --channel NAME` and what is said of it.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Tells only of alerts this bad; of all without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub severities: Vec<Severity>,
    /// A channel of Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// E-mail by SMTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// A JSON document by POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// An Alertmanager, which has routes of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<Alertmanager>,
    /// A service of PagerDuty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<PagerDuty>,
}

/// A channel of Slack: by an incoming webhook, or by a bot, which keeps one message for each group up to date and says
/// what changes in its thread.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.webhookUrlSecretRef) != has(self.botTokenSecretRef)", "exactly one of webhookUrlSecretRef and botTokenSecretRef must be set"),
    validation = ("has(self.botTokenSecretRef) == has(self.channel)", "botTokenSecretRef needs channel, and a webhook has its own")
)]
pub struct Slack {
    /// Key of a Secret with the URL of an incoming webhook, `https://hooks.slack.com/services/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url_secret_ref: Option<KeyRef>,
    /// Key of a Secret with the token of a bot, `xoxb-…`, that has the scope `chat:write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_token_secret_ref: Option<KeyRef>,
    /// The channel that the bot was invited to: its id, `C…`, or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[!-~]+$"))]
    pub channel: Option<String>,
}

/// E-mail by SMTP.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.usernameSecretRef) == has(self.passwordSecretRef)", "usernameSecretRef and passwordSecretRef go together"),
    validation = ("!has(self.passwordSecretRef) || self.tls != 'None'", "a password is sent over TLS only: set tls to StartTls or Tls")
)]
pub struct Email {
    /// Who gets it.
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 3, max = 320), regex(pattern = r"^[!-?A-~]+@[!-?A-~]+$"))
    )]
    pub to: Vec<String>,
    /// Who it is from: `alerts@example.com`, or `Forkable <alerts@example.com>`.
    #[schemars(length(min = 3, max = 320), regex(pattern = r"^[^\r\n]*[!-?A-~]+@[!-?A-~]+$"))]
    pub from: String,
    /// Host name of the SMTP server.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-.:a-zA-Z0-9]+$"))]
    pub host: String,
    /// Its port; 587 for StartTls, 465 for Tls and 25 for None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// How the way there is kept from being read and changed.
    #[serde(default)]
    pub tls: EmailTls,
    /// Key of a Secret with the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_secret_ref: Option<KeyRef>,
    /// Key of a Secret with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<KeyRef>,
}

/// How the way to an SMTP server is kept from being read and changed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailTls {
    /// TLS that is begun by STARTTLS; a server that does not offer it gets nothing.
    #[default]
    StartTls,
    /// TLS from the start.
    Tls,
    /// Not at all, for a server on the same machine.
    None,
}

/// A JSON document by POST, signed as <https://www.standardwebhooks.com> has it: headers `webhook-id` (the same when it
/// is sent again), `webhook-timestamp` and `webhook-signature`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Key of a Secret with the URL.
    pub url_secret_ref: KeyRef,
    /// Key of a Secret with the key of signatures: `whsec_` and Base64, or any text. Without, nothing is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret_ref: Option<KeyRef>,
}

/// An Alertmanager, by its API v2. It groups, repeats and silences by its own configuration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Alertmanager {
    /// Its address, such as `http://alertmanager.monitoring:9093`.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[!-~]+$"))]
    pub url: String,
    /// Headers that are sent, such as `Authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub request_headers: Vec<RequestHeader>,
}

/// A service of PagerDuty, by the Events API v2. A group of alerts is one incident.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PagerDuty {
    /// Key of a Secret with the integration key of the service.
    pub routing_key_secret_ref: KeyRef,
}

/// Which alerts make one message, and when it is sent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// Labels of alerts of which each value makes a group of its own; `fork` is the name of the Fork. Without any, all
    /// alerts of the rule are one group: what fails at once is one message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(min = 1, max = 63)))]
    pub by: Vec<String>,
    /// How long to wait for more of a group before the first message.
    #[serde(default = "wait_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub wait_seconds: i64,
    /// The shortest time between two messages of a group while it fires. Its end is told at once.
    #[serde(default = "interval_seconds")]
    #[schemars(range(min = 0, max = 86_400))]
    pub interval_seconds: i64,
    /// How long until people are reminded of what still fires.
    #[serde(default = "repeat_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub repeat_seconds: i64,
}

fn wait_seconds() -> i64 {
    5
}

fn interval_seconds() -> i64 {
    300
}

fn repeat_seconds() -> i64 {
    14_400
}

impl Default for Grouping {
    fn default() -> Self {
        Self {
            by: Vec::new(),
            wait_seconds: wait_seconds(),
            interval_seconds: interval_seconds(),
            repeat_seconds: repeat_seconds(),
        }
    }
}
