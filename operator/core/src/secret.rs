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
