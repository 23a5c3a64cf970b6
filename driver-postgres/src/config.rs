//! Settings, as `sqlx` wants them.

use crate::store::Postgres;
use persistence_sql::server::{Server, ServerDefaults, TlsMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

persistence_sql::server_builder! {
    opens: Postgres,
    defaults: ServerDefaults { port: 5432, schemas: true, application_name: true, procedures: false },
}

/// What every session is set to. The planner takes a generic plan for dear, because it does not know how short the arrays of a
/// transition are, and plans each anew (1.0 ms, where running it takes 0.3 ms); and a plan made while a table was small would
/// go on reading all of it when it is large. Every statement here finds its rows by a key.
const SESSION: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

/// Everything but user and password.
pub(crate) fn connect_options(server: &Server) -> PgConnectOptions {
    server.tls.choose_cryptography();
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&server.host)
        .port(server.port)
        .database(&server.database)
        .application_name(&server.application_name)
        .statement_cache_capacity(server.statement_cache)
        // Nothing here is floating, and proxies refuse parameters that they do not know.
        .extra_float_digits(None)
        .options(SESSION)
        .ssl_mode(match server.tls.mode {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
            _ => PgSslMode::Prefer,
        });
    if let Some(timeout) = server.statement_timeout {
        options = options.options([("statement_timeout", timeout.as_millis().to_string())]);
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_root_cert(ca);
    }
    if let Some((cert, key)) = &server.tls.client {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    options
}
