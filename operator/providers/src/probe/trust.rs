//! Which certificates are trusted. A chain that was found good for a name stays so until one of it ends, so that it is
//! looked at once, not with every run of a probe: the same bytes give the same answer. That the server has the key of its
//! certificate is proved anew every time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};

use super::certificate;

/// Chains that are remembered; more of them than anybody probes.
const MOST: usize = 1 << 16;

/// Of a chain and a name.
type Digest = [u8; 32];

/// A verifier that is asked once for each chain and name.
#[derive(Debug)]
pub(super) struct Trust {
    verifier: Verifier,
    good: Good,
}

impl Trust {
    pub(super) fn new(verifier: Verifier) -> Self {
        Self { verifier, good: Good::default() }
    }
}

/// From when to when each chain is good, in seconds since 1970.
#[derive(Debug, Default)]
struct Good(Mutex<HashMap<Digest, (u64, u64)>>);

impl Good {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, (u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `verify` unless it is known that it would say that the chain is good.
    fn once(
        &self,
        chain: &[&CertificateDer<'_>],
        name: &str,
        now: UnixTime,
        verify: impl FnOnce() -> Result<ServerCertVerified, Error>,
    ) -> Result<ServerCertVerified, Error> {
        let digest = digest(chain, name);
        if let Some((from, to)) = self.lock().get(&digest).copied()
            && (from..to).contains(&now.as_secs())
        {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = verify()?;
        let ends: Option<Vec<_>> = chain.iter().map(|certificate| certificate::ends(certificate)).collect();
        if let Some(first) = ends.unwrap_or_default().into_iter().min().and_then(|end| end.as_second().try_into().ok())
        {
            let mut good = self.lock();
            if good.len() >= MOST {
                good.clear();
            }
            good.insert(digest, (now.as_secs(), first));
        }
        Ok(verified)
    }
}

fn digest(chain: &[&CertificateDer<'_>], name: &str) -> Digest {
    let parts = chain.iter().map(AsRef::as_ref).chain([name.as_bytes()]);
    // With its length each, as other parts may be the same bytes in a row.
    let whole =
        parts.fold(Sha256::new(), |whole, part| whole.chain_update(part.len().to_le_bytes()).chain_update(part));
    whole.finalize().into()
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        self.good.once(&chain, &server_name.to_str(), now, || {
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    /// One that ends with a year.
    fn certificate(last: i32) -> CertificateDer<'static> {
        let mut parameters = rcgen::CertificateParams::new(["acme.dev".to_owned()]).expect("a name");
        parameters.not_after = rcgen::date_time_ymd(last + 1, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn a_chain_is_looked_at_once_for_a_name_until_one_of_it_ends() {
        let (leaf, issuer) = (certificate(2040), certificate(2030));
        let good = Good::default();
        let year = |year: u64| UnixTime::since_unix_epoch(std::time::Duration::from_hours((year - 1970) * 8766));
        let ask = |chain: &[&CertificateDer<'static>], name: &'static str, at| {
            let mut asked = 0;
            let verified = good.once(chain, name, at, || {
                asked += 1;
                let bad = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
                (name == "acme.dev").then(ServerCertVerified::assertion).ok_or(bad)
            });
            (verified.is_ok(), asked)
        };
        let both = [&leaf, &issuer];
        assert_eq!(ask(&both, "acme.dev", year(2026)), (true, 1));
        assert_eq!(ask(&both, "acme.dev", year(2026)), (true, 0));
        assert_eq!(ask(&both, "acme.dev", year(2029)), (true, 0));
        assert_eq!(ask(&both, "acme.dev", year(2025)), (true, 1), "nobody looked at it for such a time");
        assert_eq!(ask(&both, "acme.dev", year(2032)), (true, 1), "one of it ended");
        assert_eq!(ask(&[&leaf], "acme.dev", year(2026)), (true, 1), "another chain");
        assert_eq!(ask(&[&leaf], "acme.dev", year(2032)), (true, 0));
        assert_eq!(ask(&both, "evil.dev", year(2026)), (false, 1), "another name");
        assert_eq!(ask(&both, "evil.dev", year(2026)), (false, 1), "what is not good is looked at every time");
    }
}
