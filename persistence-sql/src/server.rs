//! How to reach a server and how to use it: what drivers of servers have in common.

use crate::settings::SchemaSettings;
use persistence_core::connect::{UrlOptions, decoded};
use persistence_core::{Error, Outcome, Result};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

pub use persistence_core::connect::{Credentials, Hook, Login, Secret};

/// How far a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// Not at all.
    Disable,
    /// If the server offers it; whoever is in between may say that it does not.
    #[default]
    Prefer,
    /// Encrypted, to whomever.
    Require,
    /// Encrypted, to a server that the CA vouches for.
    VerifyCa,
    /// Encrypted, to this very host.
    VerifyFull,
}

/// Encryption, and who is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// How far.
    pub mode: TlsMode,
    /// The certificates that are trusted, in a PEM file, in place of the usual ones.
    pub ca: Option<PathBuf>,
    /// The client's own certificate, in a PEM file, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A server, a database on it, and how to use them.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name or address; a path is the directory of a Unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user, unless the driver has a usual one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Asked for both in their place, for each new connection.
    pub credentials: Hook,
    /// The database.
    pub database: String,
    /// Encryption.
    pub tls: Tls,
    /// The most connections.
    pub pool_size: u32,
    /// How long to wait for a connection when the caller set no deadline.
    pub acquire_timeout: Duration,
    /// How long a new connection may take.
    pub connect_timeout: Duration,
    /// How long a connection may be idle before it is closed.
    pub idle_timeout: Duration,
    /// How long a connection may be used before it is replaced.
    pub max_lifetime: Duration,
    /// How long the server works on a statement; unlimited if none.
    pub statement_timeout: Option<Duration>,
    /// How many prepared statements each connection keeps; 0 prepares none beyond its one use.
    pub statement_cache: usize,
    /// Whether transitions call stored procedures, where the driver can use them.
    pub procedures: bool,
    /// What the server calls these connections.
    pub application_name: String,
    /// What the tables are called, and who sets them up.
    pub schema: SchemaSettings,
}

/// What a URL names, if it names no user and no database.
#[derive(Clone, Copy, Debug)]
pub struct ServerDefaults {
    /// The port.
    pub port: u16,
    /// Whether databases have schemas.
    pub schemas: bool,
    /// Whether connections have names.
    pub application_name: bool,
    /// Whether transitions may call stored procedures.
    pub procedures: bool,
}

impl Server {
    /// From `scheme://user:password@host:port/database?option=value`. Unknown options are refused, and no error shows a value.
    pub fn from_url(url: &Url, defaults: ServerDefaults) -> Result<Self> {
        let mut options = UrlOptions::new(url)?;
        let number = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok());
        let database = decoded(url.path().strip_prefix('/').unwrap_or_default())?;
        if database.is_empty() || url.fragment().is_some() {
            return Err(Error::invalid("url", format!("must be {}://HOST/DATABASE", url.scheme())));
        }
        let ways = [("procedure", true), ("transaction", false)];
        let procedures = if defaults.procedures { options.choice("transitions", &ways)? } else { None };
        let name = if defaults.application_name { options.text("application_name") } else { None };
        let server = Server {
            host: decoded(url.host_str().filter(|h| !h.is_empty()).unwrap_or("localhost"))?,
            port: url.port().unwrap_or(defaults.port),
            user: Some(decoded(url.username())?).filter(|u| !u.is_empty()),
            password: url.password().map(decoded).transpose()?.map(Secret),
            credentials: Hook::default(),
            database,
            tls: Tls::take(&mut options)?,
            pool_size: number(options.integer("pool_size", 1..=10_000)?).unwrap_or(16),
            acquire_timeout: options.duration("acquire_timeout")?.unwrap_or(Duration::from_secs(10)),
            connect_timeout: options.duration("connect_timeout")?.unwrap_or(Duration::from_secs(10)),
            idle_timeout: options.duration("idle_timeout")?.unwrap_or(Duration::from_secs(600)),
            max_lifetime: options.duration("max_lifetime")?.unwrap_or(Duration::from_secs(1800)),
            statement_timeout: options.duration("statement_timeout")?.filter(|t| !t.is_zero()),
            statement_cache: number(options.integer("statement_cache", 0..=65_536)?).unwrap_or(256) as usize,
            procedures: procedures.unwrap_or(defaults.procedures),
            application_name: name.unwrap_or_else(|| "persistence".to_owned()),
            schema: SchemaSettings::take(&mut options, defaults.schemas)?,
        };
        options.finish()?;
        Ok(server)
    }

    /// Who logs in with the next connection.
    pub async fn login(&self) -> Result<Login> {
        match &self.credentials.0 {
            Some(hook) => hook.login().await.map_err(|e| e.with_outcome(Outcome::NotApplied)),
            None => Ok(Login { user: self.user.clone(), password: self.password.clone() }),
        }
    }

    /// Where the data is, without secrets.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }
}

impl Tls {
    /// Sees to it that the process has one cryptography, `ring`, if it has chosen none. Where dependencies bring two, `rustls` does
    /// not choose, and a connection that verifies the server would panic.
    #[cfg(feature = "tls")]
    pub fn choose_cryptography(&self) {
        if self.mode != TlsMode::Disable && rustls::crypto::CryptoProvider::get_default().is_none() {
            // It fails where somebody else has chosen meanwhile, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
    }

    fn take(options: &mut UrlOptions) -> Result<Self> {
        let modes = [
            ("disable", TlsMode::Disable),
            ("prefer", TlsMode::Prefer),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ];
        let mode = options.choice("sslmode", &modes)?;
        let ca = options.text("sslrootcert").map(PathBuf::from);
        let client = match (options.text("sslcert"), options.text("sslkey")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => return Err(Error::invalid("url", "sslcert and sslkey go together")),
        };
        // Whoever names a CA wants it to be asked.
        let usual = if ca.is_some() { TlsMode::VerifyFull } else { TlsMode::Prefer };
        Ok(Tls { mode: mode.unwrap_or(usual), ca, client })
    }
}

/// Declares `Builder`, the settings of a driver's server: `server_builder! { opens: Handle, defaults: ServerDefaults { … } }`.
/// The handle has `open_with(Server) -> Result<Handle>`.
#[macro_export]
macro_rules! server_builder {
    (opens: $handle:ty, defaults: $defaults:expr $(,)?) => {
        /// Settings of a database. No `Debug` and no error shows its password.
        #[derive(Clone, Debug)]
        #[must_use]
        pub struct Builder {
            server: $crate::server::Server,
        }

        impl Builder {
            /// From a URL: see [`Builder::from_url`].
            pub fn new(url: &str) -> $crate::core::Result<Self> {
                // The URL itself stays out of the message: it may hold a password.
                let url = url::Url::parse(url);
                let url = url.map_err(|e| $crate::core::Error::invalid("url", e.to_string()))?;
                Builder::from_url(&url)
            }

            /// From `scheme://user:password@host:port/database?option=value`, with the options of the crate's table.
            pub fn from_url(url: &url::Url) -> $crate::core::Result<Self> {
                Ok(Builder { server: $crate::server::Server::from_url(url, $defaults)? })
            }

            /// With logins from here, asked for each new connection, in place of the URL's.
            pub fn with_credentials(
                mut self,
                credentials: impl $crate::server::Credentials + 'static,
            ) -> Self {
                self.server.credentials.0 = Some(std::sync::Arc::new(credentials));
                self
            }

            /// With encryption.
            pub fn with_tls(mut self, tls: $crate::server::Tls) -> Self {
                self.server.tls = tls;
                self
            }

            /// With at most this many connections; at least 1.
            pub fn with_pool_size(mut self, connections: u32) -> Self {
                self.server.pool_size = connections.max(1);
                self
            }

            /// How long to wait for a connection when the caller set no deadline.
            pub fn with_acquire_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.server.acquire_timeout = timeout;
                self
            }

            /// How long a new connection may take.
            pub fn with_connect_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.server.connect_timeout = timeout;
                self
            }

            /// How long a connection may be idle before it is closed.
            pub fn with_idle_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.server.idle_timeout = timeout;
                self
            }

            /// How long a connection may be used before it is replaced.
            pub fn with_max_lifetime(mut self, lifetime: std::time::Duration) -> Self {
                self.server.max_lifetime = lifetime;
                self
            }

            /// How long the server works on a statement; unlimited if none.
            pub fn with_statement_timeout(mut self, timeout: Option<std::time::Duration>) -> Self {
                self.server.statement_timeout = timeout;
                self
            }

            /// How many prepared statements each connection keeps; 0 for proxies that cannot keep them.
            pub fn with_statement_cache(mut self, statements: usize) -> Self {
                self.server.statement_cache = statements;
                self
            }

            /// Whether transitions call stored procedures, where the driver can use them.
            pub fn with_procedures(mut self, procedures: bool) -> Self {
                self.server.procedures = procedures;
                self
            }

            /// What the server calls these connections.
            pub fn with_application_name(mut self, name: impl Into<String>) -> Self {
                self.server.application_name = name.into();
                self
            }

            /// What the tables are called, and who sets them up.
            pub fn with_schema(mut self, schema: $crate::SchemaSettings) -> Self {
                self.server.schema = schema;
                self
            }

            /// Connects.
            pub async fn open(self) -> $crate::core::Result<$handle> {
                <$handle>::open_with(self.server).await
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: ServerDefaults =
        ServerDefaults { port: 5432, schemas: true, application_name: true, procedures: false };

    fn server(url: &str) -> Result<Server> {
        Server::from_url(&Url::parse(url).unwrap(), PG)
    }

    #[test]
    fn a_url_is_read_in_full() {
        let s = server(
            "postgres://m%40e:se%2Fcret@[::1]:6000/d%20b?pool_size=3&acquire_timeout=2s&connect_timeout=3s&idle_timeout=4s\
             &max_lifetime=5s&statement_timeout=6s&statement_cache=0&application_name=a%20b&schema=S&table_prefix=p_\
             &migrate=never&sslmode=verify-ca&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem",
        )
        .unwrap();
        assert_eq!((&*s.host, s.port, s.user.as_deref(), &*s.database), ("[::1]", 6000, Some("m@e"), "d b"));
        assert_eq!(s.password, Some(Secret("se/cret".into())));
        assert_eq!((s.pool_size, s.statement_cache, &*s.application_name), (3, 0, "a b"));
        let seconds = [s.acquire_timeout, s.connect_timeout, s.idle_timeout, s.max_lifetime];
        assert_eq!(seconds.map(|d| d.as_secs()), [2, 3, 4, 5]);
        assert_eq!(s.statement_timeout, Some(Duration::from_secs(6)));
        assert_eq!(s.schema.naming.schema(), Some("S"));
        assert_eq!(s.schema.migrate, crate::Migrate::Never);
        assert_eq!(s.tls.mode, TlsMode::VerifyCa);
        assert_eq!(s.tls.client, Some(("c.pem".into(), "k.pem".into())));
        let s = server("postgres://h/d?sslrootcert=ca.pem").unwrap();
        assert_eq!((s.port, s.tls.mode), (5432, TlsMode::VerifyFull));
    }

    #[test]
    fn what_is_wrong_is_refused_and_no_password_is_shown() {
        for bad in [
            "postgres://me:secret@host",
            "postgres://me:secret@host/",
            "postgres://me:secret@host/d#x",
            "postgres://me:secret@host/d?pool_size=0",
            "postgres://me:secret@host/d?sslcert=secret",
            "postgres://me:secret@host/d?password=secret",
            "postgres://me:secret@host/d?schema=a%22secret",
            "postgres://me:secret@host/d?table_prefix=secret%3B",
            "postgres://me:secret@host/d?migrate=secret",
            "postgres://me:secret@host/%ff",
        ] {
            let e = server(bad).unwrap_err();
            assert!(!format!("{e} {e:?}").contains("secret"), "{bad}: {e:?}");
        }
        let shown = format!("{:?}", server("postgres://me:secret@host/d").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
