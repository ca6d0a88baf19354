//! The GitHub App that is installed on the seeded organizations.

use anyhow::Context as _;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

/// An App and its installation.
#[derive(Debug, Serialize, Deserialize)]
pub struct App {
    /// The App's id.
    pub id: u64,
    /// Its one installation.
    pub installation: u64,
    /// The accounts that it is installed on.
    pub owners: Vec<String>,
    public_key_pem: Option<String>,
}

impl App {
    /// App 4242, installed on these accounts as installation 777, and without a key yet.
    pub fn seeded(owners: &[&str]) -> Self {
        let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
        Self { id: 4242, installation: 777, owners, public_key_pem: None }
    }

    /// Sets the key that signed assertions are checked with. Errors when it is not an RSA public key in PEM.
    pub fn set_key(&mut self, pem: &str) -> anyhow::Result<()> {
        DecodingKey::from_rsa_pem(pem.as_bytes()).context("publicKeyPem")?;
        self.public_key_pem = Some(pem.to_owned());
        Ok(())
    }

    /// The key, once it is set.
    pub fn key(&self) -> Option<DecodingKey> {
        DecodingKey::from_rsa_pem(self.public_key_pem.as_ref()?.as_bytes()).ok()
    }
}
