//! Host names: validity, apex, and the ownership challenge.

use super::problem::Problem;

/// Second-level labels under which country registries sell names (`co.uk`, `com.au`).
const REGISTRY_LABELS: [&str; 7] = ["ac", "co", "com", "edu", "gov", "net", "org"];

/// The registrable part of `name`: `www.shop.co.uk` → `shop.co.uk`.
pub(super) fn apex(name: &str) -> String {
    let labels: Vec<&str> = name.trim_start_matches("*.").split('.').collect();
    let country = labels.last().is_some_and(|tld| tld.len() == 2);
    let registry = labels.len() > 2 && REGISTRY_LABELS.contains(&labels[labels.len() - 2]);
    let keep = if country && registry { 3 } else { 2 };
    labels[labels.len().saturating_sub(keep)..].join(".")
}

/// Lowercases and checks a host name; a leading `*.` makes it a wildcard.
///
/// # Errors
/// 400 `invalid_domain`.
pub(super) fn parse(name: &str) -> Result<String, Problem> {
    let name = name.trim().to_lowercase();
    let bare = name.strip_prefix("*.").unwrap_or(&name);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if bare.len() <= 253 && bare.contains('.') && bare.split('.').all(label) {
        return Ok(name);
    }
    Err(Problem::new(400, "invalid_domain", format!("The domain `{name}` is not valid.")))
}

/// A fresh TXT value that proves control of `name`'s apex.
pub(super) fn challenge(name: &str) -> String {
    format!("vc-domain-verify={name},{}", super::ids::lowercase(20))
}

/// Where the TXT record of [`challenge`] is looked up.
pub(super) fn challenge_host(name: &str) -> String {
    format!("_vercel.{}", apex(name))
}

/// Whether the domain is one of Vercel's own, which need neither DNS nor a certificate.
pub(super) fn is_vercel(name: &str) -> bool {
    name.ends_with(".vercel.app")
}

#[cfg(test)]
mod tests {
    use super::{apex, parse};

    #[test]
    fn apex_knows_country_registries_and_wildcards() {
        assert_eq!(apex("*.eu.shop.co.uk"), "shop.co.uk");
        assert_eq!(apex("www.example.com"), "example.com");
        assert_eq!(apex("example.com"), "example.com");
    }

    #[test]
    fn names_are_lowercased_and_checked() {
        assert_eq!(parse("WWW.Example.com").expect("valid"), "www.example.com");
        for bad in ["localhost", "-a.com", "a..com", "a_b c.com", "www.*.com", ""] {
            assert_eq!(parse(bad).expect_err(bad).code, "invalid_domain");
        }
    }
}
