//! Errors of the outside, typed by what happens next.

use std::time::Duration;

use jiff::Timestamp;

/// Who answered, or should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    GitHub,
    Vercel,
}

impl Provider {
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::Vercel => "Vercel",
        }
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a call outside failed. Messages are the providers' own, shortened, and never carry a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The object, or its parent, does not exist or may not be seen.
    #[error("{provider} does not find {what}")]
    NotFound { provider: Provider, what: String },
    /// The request is wrong as it stands; only another spec helps.
    #[error("{provider} refuses: {message} ({code})")]
    Rejected { provider: Provider, code: String, message: String },
    /// The name is taken by something that is not ours.
    #[error("{provider}: {message}")]
    Conflict { provider: Provider, message: String },
    /// The credentials are wrong or have expired.
    #[error("{provider} does not accept the credentials: {message}")]
    Unauthorized { provider: Provider, message: String },
    /// The credentials are fine and lack a permission. `missing` names it in the provider's words, if it said so.
    #[error("{provider} forbids it: {message}{}", missing_suffix(missing.as_deref()))]
    Forbidden { provider: Provider, message: String, missing: Option<String> },
    /// The account's plan does not have the feature.
    #[error("the {provider} plan does not have it: {message}")]
    PlanUnsupported { provider: Provider, message: String },
    /// A quota is used up until `until`.
    #[error("{provider} limits the rate of calls; the next try is after {until:.0}")]
    RateLimited { provider: Provider, until: Timestamp },
    /// Somebody else changed it since it was observed, or the provider is not done with it: look again.
    #[error("{provider}: {message}; looking again")]
    Stale { provider: Provider, message: String },
    /// 5xx, no answer, cut connection, an answer that cannot be read. What became of a write is unknown.
    #[error("{provider} is unavailable: {message}")]
    Unavailable { provider: Provider, message: String },
}

fn missing_suffix(missing: Option<&str>) -> String {
    missing.map_or_else(String::new, |permissions| format!("; missing permission: {permissions}"))
}

/// What happens after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A person is needed (`Stalled=True`): again when the spec or the credentials change, at a new start, and every
    /// hour in case it was mended outside.
    Never,
    /// Once the time has passed; this is waiting, not failing.
    After(Duration),
    /// Soon, then later and later: exponential per object, with jitter, at most 5 minutes.
    Backoff,
}

impl PortError {
    pub fn retry(&self, now: Timestamp) -> Retry {
        match self {
            Self::Rejected { .. }
            | Self::Conflict { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::PlanUnsupported { .. } => Retry::Never,
            Self::RateLimited { until, .. } => Retry::After(
                Duration::try_from(until.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1)),
            ),
            Self::NotFound { .. } | Self::Stale { .. } | Self::Unavailable { .. } => Retry::Backoff,
        }
    }

    /// Everything that [`PortError::reason`] may say.
    pub const REASONS: [&str; 9] = [
        "NotFound",
        "Rejected",
        "NameConflict",
        "Unauthorized",
        "MissingPermission",
        "PlanUnsupported",
        "RateLimited",
        "Stale",
        "ProviderUnavailable",
    ];

    /// Reason of conditions and events, and label of metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFound",
            Self::Rejected { .. } => "Rejected",
            Self::Conflict { .. } => "NameConflict",
            Self::Unauthorized { .. } => "Unauthorized",
            Self::Forbidden { .. } => "MissingPermission",
            Self::PlanUnsupported { .. } => "PlanUnsupported",
            Self::RateLimited { .. } => "RateLimited",
            Self::Stale { .. } => "Stale",
            Self::Unavailable { .. } => "ProviderUnavailable",
        }
    }

    pub fn provider(&self) -> Provider {
        match self {
            Self::NotFound { provider, .. }
            | Self::Rejected { provider, .. }
            | Self::Conflict { provider, .. }
            | Self::Unauthorized { provider, .. }
            | Self::Forbidden { provider, .. }
            | Self::PlanUnsupported { provider, .. }
            | Self::RateLimited { provider, .. }
            | Self::Stale { provider, .. }
            | Self::Unavailable { provider, .. } => *provider,
        }
    }
}
