//! Builder, from a URL and from a builder.

use crate::Cassandra;
use persistence_nosql::core::connect::{Credentials, Hook, Login, Secret, UrlOptions, decoded};
use persistence_nosql::core::schema::Migrate;
use persistence_nosql::core::{Error, Result};
use persistence_nosql::tls::Tls;
use scylla::statement::{Consistency, SerialConsistency};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const PORT: u16 = 9042;

/// Where reads and writes look for agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Agreement {
    /// Within the datacenter of the client: `LOCAL_QUORUM` and `LOCAL_SERIAL`. All writers of a partition must be clients of
    /// one datacenter.
    #[default]
    Local,
    /// Across datacenters: `QUORUM` and `SERIAL`.
    Global,
}

impl Agreement {
    /// Of reads and writes, of Paxos, and of reads that settle what Paxos has under way.
    pub(crate) fn levels(self) -> (Consistency, SerialConsistency, Consistency) {
        match self {
            Agreement::Local => {
                (Consistency::LocalQuorum, SerialConsistency::LocalSerial, Consistency::LocalSerial)
            }
            Agreement::Global => (Consistency::Quorum, SerialConsistency::Serial, Consistency::Serial),
        }
    }
}

/// How many copies there are of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replication {
    /// So many, anywhere: for one datacenter.
    Simple(u32),
    /// So many in each datacenter.
    Datacenters(Vec<(String, u32)>),
}

impl Replication {
    /// From `SimpleStrategy:3` or `dc1:3,dc2:3`.
    fn parse(text: &str) -> Option<Self> {
        let entry = |entry: &str| {
            let (name, copies) = entry.split_once(':')?;
            let good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            let copies: u32 = copies.parse().ok().filter(|n| *n > 0)?;
            (!name.is_empty() && name.chars().all(good)).then(|| (name.to_owned(), copies))
        };
        let entries: Vec<_> = text.split(',').map(entry).collect::<Option<_>>()?;
        match &*entries {
            [(name, copies)] if name == "SimpleStrategy" => Some(Replication::Simple(*copies)),
            _ => Some(Replication::Datacenters(entries)),
        }
    }

    /// As a clause of a keyspace.
    pub(crate) fn cql(&self) -> String {
        let copies = match self {
            Replication::Simple(n) => format!("'SimpleStrategy', 'replication_factor': {n}"),
            Replication::Datacenters(all) => {
                let all: Vec<_> = all.iter().map(|(name, n)| format!("'{name}': {n}")).collect();
                format!("'NetworkTopologyStrategy', {}", all.join(", "))
            }
        };
        format!("WITH replication = {{'class': {copies}}}")
    }
}

/// Where a node is for this client, given where it says that it is.
#[derive(Clone, Default)]
pub(crate) struct Translation(pub(crate) Option<Translate>);

pub(crate) type Translate = Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>;

impl fmt::Debug for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "translated" } else { "none" })
    }
}

/// Builder of a keyspace. No `Debug` and no error shows its password.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) contact_points: Vec<String>,
    pub(crate) keyspace: String,
    pub(crate) replication: Option<Replication>,
    pub(crate) datacenter: Option<String>,
    pub(crate) consistency: Agreement,
    pub(crate) login: Login,
    pub(crate) credentials: Hook,
    pub(crate) tls: Option<Tls>,
    pub(crate) translate: Translation,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) max_write_size: u64,
    pub(crate) migrate: Migrate,
}

/// Declares how fields are set.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($field:ident: $type:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl Builder {
    /// Where the data is, without secrets.
    pub(crate) fn location(&self) -> String {
        format!("{}/{}", self.contact_points.join(","), self.keyspace)
    }

    /// From a URL: see [`Builder::from_url`].
    pub fn new(url: &str) -> Result<Self> {
        // The URL itself stays out of the message: it may hold a password.
        Builder::from_url(&Url::parse(url).map_err(|e| Error::invalid("url", e.to_string()))?)
    }

    /// From `cassandra://user:password@host1,host2:port/keyspace?option=value`, with the options of the crate's table.
    pub fn from_url(url: &Url) -> Result<Self> {
        let mut options = UrlOptions::new(url)?;
        let keyspace = decoded(url.path().strip_prefix('/').unwrap_or_default())?;
        if !is_keyspace(&keyspace) || url.fragment().is_some() {
            let rule = "must be cassandra://HOST/KEYSPACE, of letters, digits and _, at most 48";
            return Err(Error::invalid("url", rule));
        }
        let port = url.port().unwrap_or(PORT);
        let hosts = decoded(url.host_str().filter(|h| !h.is_empty()).unwrap_or("localhost"))?;
        let hosts = hosts.split(',').map(|host| format!("{host}:{port}"));
        let more = options.text("contact_points").unwrap_or_default();
        let more = more.split(',').filter(|h| !h.is_empty()).map(str::to_owned);
        let replication = options.text("replication").map(|text| {
            let rule = "replication must be SimpleStrategy:COPIES or DATACENTER:COPIES,…";
            Replication::parse(&text).ok_or_else(|| Error::invalid("url", rule))
        });
        let levels = [("local_quorum", Agreement::Local), ("quorum", Agreement::Global)];
        let login = Login {
            user: Some(decoded(url.username())?).filter(|u| !u.is_empty()),
            password: url.password().map(decoded).transpose()?.map(Secret),
        };
        let builder = Builder {
            contact_points: hosts.chain(more).collect(),
            keyspace,
            replication: replication.transpose()?,
            datacenter: options.text("datacenter"),
            consistency: options.choice("consistency", &levels)?.unwrap_or_default(),
            login,
            credentials: Hook::default(),
            tls: Tls::take(&mut options)?,
            translate: take_addresses(&mut options)?,
            connections: options.integer("connections", 1..=64)?.and_then(|n| n.try_into().ok()).unwrap_or(1),
            connect_timeout: options.duration("connect_timeout")?.unwrap_or(Duration::from_secs(5)),
            request_timeout: options.duration("request_timeout")?.unwrap_or(Duration::from_secs(12)),
            keepalive: options.duration("keepalive")?.unwrap_or(Duration::from_secs(5)),
            max_write_size: options.bytes("max_write_size")?.unwrap_or(14 << 20),
            migrate: Migrate::take(&mut options)?,
        };
        options.finish()?;
        Ok(builder)
    }

    /// In this keyspace: letters, digits and `_`, at most 48.
    pub fn with_keyspace(mut self, keyspace: impl Into<String>) -> Result<Self> {
        self.keyspace = keyspace.into();
        let rule = "must be letters, digits and _, at most 48";
        if is_keyspace(&self.keyspace) { Ok(self) } else { Err(Error::invalid("keyspace", rule)) }
    }

    /// With logins from here, asked for each new connection, in place of the URL's.
    pub fn with_credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials.0 = Some(Arc::new(credentials));
        self
    }

    /// With the nodes where this says, given the address that a node itself tells: for clients behind other networks.
    pub fn with_addresses(mut self, to: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static) -> Self {
        self.translate.0 = Some(Arc::new(to));
        self
    }

    /// With these nodes to ask for the others, `host:port`, in place of the URL's.
    pub fn with_contact_points(mut self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.contact_points = nodes.into_iter().map(Into::into).collect();
        self
    }

    setters! {
        /// With the nodes of this datacenter, which is the client's own.
        with_datacenter(datacenter: Option<String>);
        /// With so many copies, if the keyspace is missing: it is then made.
        with_replication(replication: Option<Replication>);
        /// With agreement sought there.
        with_consistency(consistency: Agreement);
        /// As this user.
        with_login(login: Login);
        /// With encryption, or without.
        with_tls(tls: Option<Tls>);
        /// With so many connections to each node; at least one.
        with_connections(connections: usize);
        /// How long a new connection may take.
        with_connect_timeout(connect_timeout: Duration);
        /// How long an answer may take when the caller set no deadline.
        with_request_timeout(request_timeout: Duration);
        /// How often a node is asked whether it is there, and how long it may take to say so; at least a second. One that stands
        /// still is found out in twice that, and its calls go elsewhere.
        with_keepalive(keepalive: Duration);
        /// What opening does about a schema that is missing or behind.
        with_migrate(migrate: Migrate);
    }

    /// Connects.
    pub async fn open(self) -> Result<Cassandra> {
        Cassandra::open_with(self).await
    }
}

fn is_keyspace(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=48).contains(&name.len()) && name.chars().all(plain)
}

/// From `addresses`: `10.0.0.1:9042/127.0.0.1:1234,…`.
fn take_addresses(options: &mut UrlOptions) -> Result<Translation> {
    let Some(text) = options.text("addresses") else { return Ok(Translation::default()) };
    let pair = |pair: &str| {
        let (told, real) = pair.split_once('/')?;
        Some((told.parse().ok()?, real.parse().ok()?))
    };
    let map: Option<HashMap<SocketAddr, SocketAddr>> = text.split(',').map(pair).collect();
    let map = map.ok_or_else(|| Error::invalid("url", "addresses must be IP:PORT/IP:PORT,…"))?;
    Ok(Translation(Some(Arc::new(move |node| map.get(&node).copied().unwrap_or(node)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Result<Builder> {
        Builder::new(url)
    }

    #[test]
    fn a_url_is_read_in_full() {
        let s = settings(
            "cassandra://m%40e:se%2Fcret@a,b:9043/Flows_1?contact_points=c:1,d&datacenter=dc1&replication=dc1:3,dc2:2\
             &consistency=quorum&tls=verify-ca&ca=ca.pem&cert=c.pem&key=k.pem&addresses=10.0.0.1:9042/127.0.0.1:7\
             &connect_timeout=1s&request_timeout=2s&keepalive=3s&max_write_size=1MiB&migrate=never",
        )
        .unwrap();
        assert_eq!(s.contact_points, ["a:9043", "b:9043", "c:1", "d"]);
        assert_eq!((&*s.keyspace, s.datacenter.as_deref()), ("Flows_1", Some("dc1")));
        assert_eq!(s.login, Login { user: Some("m@e".into()), password: Some(Secret("se/cret".into())) });
        let copies = vec![("dc1".to_owned(), 3), ("dc2".to_owned(), 2)];
        assert_eq!(s.replication, Some(Replication::Datacenters(copies)));
        assert_eq!((s.consistency, s.max_write_size), (Agreement::Global, 1 << 20));
        let client = Some(("c.pem".into(), "k.pem".into()));
        assert_eq!(s.tls, Some(Tls { ca: "ca.pem".into(), verify_host: false, client }));
        let at = |address: &str| (s.translate.0.as_ref().unwrap())(address.parse().unwrap()).to_string();
        assert_eq!(
            (at("10.0.0.1:9042"), at("10.0.0.2:9042")),
            ("127.0.0.1:7".into(), "10.0.0.2:9042".into())
        );
        assert_eq!([s.connect_timeout, s.request_timeout, s.keepalive].map(|t| t.as_secs()), [1, 2, 3]);
        assert_eq!(s.migrate, Migrate::Never);
        let s = settings("cassandra://[::1]/k?ca=ca.pem&replication=SimpleStrategy:1").unwrap();
        assert_eq!(s.contact_points, ["[::1]:9042"]);
        assert_eq!((s.tls.unwrap().verify_host, s.replication), (true, Some(Replication::Simple(1))));
    }

    #[test]
    fn what_is_wrong_is_refused_and_no_password_is_shown() {
        for bad in [
            "cassandra://me:secret@host",
            "cassandra://me:secret@host/",
            "cassandra://me:secret@host/k#x",
            "cassandra://me:secret@host/secret%22x",
            "cassandra://me:secret@host/k?password=secret",
            "cassandra://me:secret@host/k?replication=secret",
            "cassandra://me:secret@host/k?replication=dc1:0",
            "cassandra://me:secret@host/k?replication=dc1':3",
            "cassandra://me:secret@host/k?tls=verify-full",
            "cassandra://me:secret@host/k?tls=off&ca=secret",
            "cassandra://me:secret@host/k?cert=secret&key=secret",
            "cassandra://me:secret@host/k?ca=x&cert=secret",
            "cassandra://me:secret@host/k?addresses=secret",
            "cassandra://me:secret@host/k?consistency=one",
            "cassandra://me:secret@host/k?migrate=secret",
        ] {
            let e = settings(bad).unwrap_err();
            assert!(!format!("{e} {e:?}").contains("secret"), "{bad}: {e:?}");
        }
        let builder = Builder::new("cassandra://me:secret@host/k").unwrap();
        assert!(!format!("{builder:?}").contains("secret"), "{builder:?}");
        assert!(builder.with_keyspace("a b").is_err());
    }
}
