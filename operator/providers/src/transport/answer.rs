//! Reading answers: JSON, and the provider's own words out of an error.

use forkable_core::{PortError, error::Provider};
use serde::de::DeserializeOwned;

use super::Answer;

/// The longest message of a provider that is passed on.
const LONGEST: usize = 500;

/// An answer's JSON. A body that is not what was promised is [`PortError::Unavailable`], as a cut one is.
pub fn json<T: DeserializeOwned>(provider: Provider, answer: &Answer) -> Result<T, PortError> {
    serde_json::from_slice(answer.body()).map_err(|error| unreadable(provider, &error))
}

/// The error of an answer that is not what was promised. Tells where, and nothing of what was in it.
pub fn unreadable(provider: Provider, error: &serde_json::Error) -> PortError {
    let place = format!("line {} column {}", error.line(), error.column());
    PortError::Unavailable {
        provider,
        message: format!("its answer cannot be read ({:?} at {place})", error.classify()),
    }
}

/// The `message` of an error body, wherever the provider put it; the status in words when there is none.
pub fn message_of(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let message = ["/error/message", "/err/message", "/message"]
        .iter()
        .find_map(|place| body.pointer(place)?.as_str().filter(|message| !message.is_empty()));
    message.map_or_else(|| format!("HTTP {}", answer.status()), shortened)
}

/// At most [`LONGEST`] characters, on one line.
pub fn shortened(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}
