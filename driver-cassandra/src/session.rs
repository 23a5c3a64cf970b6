//! The session: how the cluster is reached.

use crate::config::{Builder, Translate};
use async_trait::async_trait;
use persistence_nosql::core::connect::Login;
use persistence_nosql::core::{Error, Outcome, Result};
use persistence_nosql::tls::Tls;
use scylla::authentication::{
    AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator,
};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::{PoolSize, session::Session, session_builder::SessionBuilder};
use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

/// Asking more often would be work for nothing; all the time is not possible.
const LEAST_KEEPALIVE: Duration = Duration::from_secs(1);

/// Connects.
pub(crate) async fn connect(settings: &Builder) -> Result<Session> {
    let (consistency, serial, _) = settings.consistency.levels();
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
    let connections = NonZeroUsize::new(settings.connections).unwrap_or(NonZeroUsize::MIN);
    let keepalive = settings.keepalive.max(LEAST_KEEPALIVE);
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerHost(connections))
        .connection_timeout(settings.connect_timeout)
        .keepalive_interval(keepalive)
        .keepalive_timeout(keepalive)
        .keyspaces_to_fetch([&settings.keyspace])
        .fetch_schema_metadata(false)
        .tls_context(settings.tls.as_ref().map(Tls::client_config).transpose()?);
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
struct Authenticator(Builder);

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

#[cfg(test)]
mod tests {
    use super::*;
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
        let authenticator = Authenticator(builder);
        for expected in ["\0me\0token 0", "\0me\0token 1"] {
            let (said, _) = authenticator.start_authentication_session("Password").await.unwrap();
            assert_eq!(said.unwrap(), expected.as_bytes());
        }
    }
}
