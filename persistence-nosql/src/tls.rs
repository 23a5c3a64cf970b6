//! Encryption for drivers whose clients take a configuration of `rustls`.

use crate::core::connect::UrlOptions;
use crate::core::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;

/// Encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates that are trusted, in a PEM file.
    pub ca: PathBuf,
    /// Whether a node's certificate must name the address at which it is reached.
    pub verify_host: bool,
    /// The client's own certificate, in a PEM file, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// From the options `tls`, `ca`, `cert` and `key`.
    pub fn take(options: &mut UrlOptions) -> Result<Option<Self>> {
        let modes = [("off", None), ("verify-ca", Some(false)), ("verify-full", Some(true))];
        let mode = options.choice("tls", &modes)?;
        let ca = options.text("ca").map(PathBuf::from);
        let client = match (options.text("cert"), options.text("key")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => return Err(Error::invalid("url", "cert and key go together")),
        };
        match (mode, ca) {
            (Some(None), None) | (None, None) if client.is_none() => Ok(None),
            // Whoever names a CA wants it to be asked.
            (None, Some(ca)) => Ok(Some(Tls { ca, verify_host: true, client })),
            (Some(Some(verify_host)), Some(ca)) => Ok(Some(Tls { ca, verify_host, client })),
            _ => {
                Err(Error::invalid("url", "tls needs a ca; and without tls there is none, nor cert and key"))
            }
        }
    }

    /// What `rustls` makes of it. The files are read now.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>> {
        let bad =
            |what: &'static str, e: &dyn std::fmt::Display| Error::invalid("tls", format!("{what}: {e}"));
        let certificates =
            |what: &'static str, path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
                let found = CertificateDer::pem_file_iter(path).map_err(|e| bad(what, &e))?;
                let found: Result<Vec<_>> = found.map(|c| c.map_err(|e| bad(what, &e))).collect();
                found.and_then(|f| {
                    if f.is_empty() { Err(bad(what, &"the file has no certificate")) } else { Ok(f) }
                })
            };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates("ca", &self.ca)? {
            roots.add(certificate).map_err(|e| bad("ca", &e))?;
        }
        let (provider, roots) = (Arc::new(rustls::crypto::ring::default_provider()), Arc::new(roots));
        let config = rustls::ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_safe_default_protocol_versions().map_err(|e| bad("tls", &e))?;
        let config = if self.verify_host {
            config.with_root_certificates(roots)
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            let verifier = AnyHost(verifier.map_err(|e| bad("ca", &e))?);
            config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let config = match &self.client {
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|e| bad("key", &e))?;
                config
                    .with_client_auth_cert(certificates("cert", certificate)?, key)
                    .map_err(|e| bad("cert", &e))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// Believes certificates that the CA signed, whatever host they name: nodes have addresses that come and go.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is the last that is looked at.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_when_it_connects() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
        let (ca, key) = (file("ca", &made.cert.pem()), file("key", &made.signing_key.serialize_pem()));
        for verify_host in [true, false] {
            let client = Some((ca.clone(), key.clone()));
            assert!(Tls { ca: ca.clone(), verify_host, client }.client_config().is_ok());
        }
        for bad in [file("empty", ""), dir.path().join("missing")] {
            let e = Tls { ca: bad, verify_host: true, client: None }.client_config().unwrap_err();
            assert!(e.to_string().contains("invalid tls: ca"), "{e}");
        }
    }
}
