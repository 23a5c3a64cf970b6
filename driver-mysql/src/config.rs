//! Settings, as `sqlx` wants them.

use crate::store::Mysql;
use persistence_sql::server::{Server, ServerDefaults, TlsMode};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

persistence_sql::server_builder! {
    opens: Mysql,
    defaults: ServerDefaults { port: 3306, schemas: false, application_name: false, procedures: true },
}

/// Everything but user and password.
pub(crate) fn connect_options(server: &Server) -> MySqlConnectOptions {
    server.tls.choose_cryptography();
    let mut options = MySqlConnectOptions::new()
        .host(&server.host)
        .port(server.port)
        .database(&server.database)
        .statement_cache_capacity(server.statement_cache)
        // What the session is, one statement of our own says.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .ssl_mode(match server.tls.mode {
            TlsMode::Disable => MySqlSslMode::Disabled,
            TlsMode::Require => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
            _ => MySqlSslMode::Preferred,
        });
    if server.host.starts_with('/') {
        options = options.socket(&server.host);
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_ca(ca);
    }
    if let Some((cert, key)) = &server.tls.client {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    options
}
