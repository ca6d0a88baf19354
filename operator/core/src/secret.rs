//! Values that must never be seen: they redact themselves, and are compared by keyed digest.

use std::fmt;

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// A value that is never printed, logged or serialized.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself, for the one call that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// The shortest value that is searched for in texts: shorter ones are in too many words.
const TELLING: usize = 4;

/// The text without the values, in case somebody repeats what they were sent. Of a value of many lines, such as a
/// private key, each line is taken out.
pub fn redact<'a>(text: &str, values: impl IntoIterator<Item = &'a Secret>) -> String {
    let lines = values.into_iter().flat_map(|value| value.expose().lines()).map(str::trim);
    lines
        .filter(|line| line.len() >= TELLING)
        .fold(text.to_owned(), |text, line| if text.contains(line) { text.replace(line, "[redacted]") } else { text })
}

/// The key of all digests of one installation.
#[derive(Clone)]
pub struct DigestKey(Secret);

impl DigestKey {
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// HMAC-SHA256 of a value, 128 bits in hex: tells equal values apart from changed ones and nothing else.
    /// `context` names what the value is of, so that equal values in two places have unequal digests.
    pub fn digest(&self, context: &str, value: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(context.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..16])
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_redact_themselves() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
        assert_eq!(format!("{:?}", DigestKey::new(Secret::new("hunter2"))), "[redacted]");
    }

    #[test]
    fn values_are_taken_out_of_texts() {
        let values = [Secret::new("hunter2"), Secret::new("-----BEGIN\nabcdef\n"), Secret::new("it"), Secret::new("")];
        let table = [
            ("it uses hunter2, and hunter2 again", "it uses [redacted], and [redacted] again"),
            ("line 2 is abcdef", "line 2 is [redacted]"),
            ("it says nothing", "it says nothing"),
        ];
        for (text, redacted) in table {
            assert_eq!(redact(text, &values), redacted);
        }
    }

    #[test]
    fn digests_depend_on_key_context_and_value() {
        let key = DigestKey::new(Secret::new("k"));
        let digest = key.digest("a", "v");
        assert_eq!(digest.len(), 32);
        assert_eq!(digest, key.digest("a", "v"));
        assert_ne!(digest, key.digest("b", "v"));
        assert_ne!(digest, key.digest("a", "w"));
        assert_ne!(digest, DigestKey::new(Secret::new("l")).digest("a", "v"));
    }
}
