//! The session: how the cluster is reached.

use crate::config::{Agreement, Settings, Tls, Translate};
use async_trait::async_trait;
use persistence_nosql::core::connect::Login;
use persistence_nosql::core::{Error, Outcome, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use scylla::authentication::{
    AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator,
};
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// A node that stands still is found out in ten seconds, and its calls go elsewhere.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects.
pub(crate) async fn connect(settings: &Settings) -> Result<Session> {
    let (consistency, serial) = match settings.consistency {
        Agreement::Global => (Consistency::Quorum, SerialConsistency::Serial),
        Agreement::Local => (Consistency::LocalQuorum, SerialConsistency::LocalSerial),
    };
    let mut nodes = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &settings.datacenter {
        nodes = nodes.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(consistency)
        .serial_consistency(Some(serial))
        .request_timeout(Some(settings.request_timeout))
        .load_balancing_policy(nodes.build())
        // What became of a write is found out by the bucket, which knows what may be repeated.
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .speculative_execution_policy(None)
        .build();
    let connections = NonZeroUsize::new(usize::try_from(settings.connections).unwrap_or(1));
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerHost(connections.unwrap_or(NonZeroUsize::MIN)))
        .connection_timeout(settings.connect_timeout)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE_TIMEOUT)
        .keyspaces_to_fetch([&settings.keyspace])
        .fetch_schema_metadata(false)
        .tls_context(settings.tls.as_ref().map(client_config).transpose()?);
    if settings.credentials.0.is_some() || settings.login.user.is_some() {
        builder = builder.authenticator_provider(Arc::new(Authenticator(settings.clone())));
    }
    if let Some(translate) = &settings.translate.0 {
        builder = builder.address_translator(Arc::new(Translator(translate.clone())));
    }
    builder.build().await.map_err(|e| {
        let reason = format!("the cluster cannot be reached: {}", settings.location());
        Error::unavailable("connect", reason).with_outcome(Outcome::NotApplied).with_source(e)
    })
}

/// Logs in, asked for each new connection.
struct Authenticator(Settings);

#[async_trait]
impl AuthenticatorProvider for Authenticator {
    async fn start_authentication_session(
        &self,
        server: &str,
    ) -> Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError> {
        let login = match &self.0.credentials.0 {
            Some(hook) => hook.login().await.map_err(|e| format!("there are no credentials: {e}"))?,
            None => self.0.login.clone(),
        };
        let Login { user, password } = login;
        let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default().0);
        PlainTextAuthenticator::new(user, password).start_authentication_session(server).await
    }
}

/// Tells where a node is for this client.
struct Translator(Translate);

#[async_trait]
impl AddressTranslator for Translator {
    async fn translate_address(&self, node: &UntranslatedPeer) -> Result<SocketAddr, TranslationError> {
        Ok((self.0)(node.untranslated_address()))
    }
}

fn client_config(tls: &Tls) -> Result<Arc<rustls::ClientConfig>> {
    let bad = |what: &'static str, e: &dyn std::fmt::Display| Error::invalid("tls", format!("{what}: {e}"));
    let certificates = |what: &'static str, path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
        let found = CertificateDer::pem_file_iter(path).map_err(|e| bad(what, &e))?;
        let found: Result<Vec<_>> = found.map(|c| c.map_err(|e| bad(what, &e))).collect();
        found.and_then(|f| if f.is_empty() { Err(bad(what, &"the file has no certificate")) } else { Ok(f) })
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates("ca", &tls.ca)? {
        roots.add(certificate).map_err(|e| bad("ca", &e))?;
    }
    let (provider, roots) = (Arc::new(rustls::crypto::ring::default_provider()), Arc::new(roots));
    let config = rustls::ClientConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().map_err(|e| bad("tls", &e))?;
    let config = if tls.verify_host {
        config.with_root_certificates(roots)
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = AnyHost(verifier.map_err(|e| bad("ca", &e))?);
        config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    };
    let config = match &tls.client {
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
    use crate::Builder;
    use persistence_nosql::core::connect::Secret;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[tokio::test]
    async fn each_connection_asks_who_logs_in() {
        let asked = AtomicU32::new(0);
        let hook = move || {
            let n = asked.fetch_add(1, Relaxed);
            async move { Ok(Login { user: Some("me".into()), password: Some(Secret(format!("token {n}"))) }) }
        };
        let builder = Builder::new("cassandra://x:y@host/k").unwrap().with_credentials(hook);
        let authenticator = Authenticator(builder.into_settings());
        for expected in ["\0me\0token 0", "\0me\0token 1"] {
            let (said, _) = authenticator.start_authentication_session("Password").await.unwrap();
            assert_eq!(said.unwrap(), expected.as_bytes());
        }
    }

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
            assert!(client_config(&Tls { ca: ca.clone(), verify_host, client }).is_ok());
        }
        for bad in [file("empty", ""), dir.path().join("missing")] {
            let e = client_config(&Tls { ca: bad, verify_host: true, client: None }).unwrap_err();
            assert!(e.to_string().contains("invalid tls: ca"), "{e}");
        }
    }
}
