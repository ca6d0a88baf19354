//! What every client of HTTP here has in common.

use std::sync::OnceLock;

use reqwest::{ClientBuilder, redirect, retry};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Begins a client that asks once and follows no redirects. The machine's root certificates are read for the first and
/// shared by all: they are a fifth of a megabyte, and every set of credentials has clients of its own.
pub(crate) fn client() -> ClientBuilder {
    static TLS: OnceLock<Option<ClientConfig>> = OnceLock::new();
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).retry(retry::never());
    match TLS.get_or_init(tls) {
        Some(tls) => client.tls_backend_preconfigured(tls.clone()),
        // It says itself what is wrong when it is built.
        None => client,
    }
}

fn tls() -> Option<ClientConfig> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let versions = ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions().ok()?;
    let mut config = versions.with_platform_verifier().ok()?.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(config)
}
