//! Encryption, with certificates made for the test.

use crate::support::*;
use driver_postgres::{Builder, Postgres};
use libtest_mimic::Completion;
use persistence_sql::driver::SqlDriver;
use persistence_sql::server::{Tls, TlsMode};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// The files of a server that is configured for encryption.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

static FILES: OnceCell<Files> = OnceCell::const_new();
static HBA: Mutex<Vec<String>> = Mutex::const_new(Vec::new());

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

fn certificate(issuer: &Issuer<'_, KeyPair>, name: &str, hosts: &[&str], client: bool) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|&h| h.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let usage =
        if client { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth };
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// Writes a file of the server's, readable only for it. The server, which may be about to read it, sees it whole.
async fn write(admin: &Postgres, path: &str, text: &str) {
    let program = format!("cat > {path}.new && chmod 600 {path}.new && mv {path}.new {path}");
    // A line of COPY holds a text without line breaks as it is.
    let lines = format!("SELECT unnest(string_to_array('{text}', E'\\n'))");
    run(admin, &format!("COPY ({lines}) TO PROGRAM '{program}'")).await.unwrap();
}

/// Has the server ask this user for something else than trust.
async fn rule(admin: &Postgres, line: String) {
    let mut rules = HBA.lock().await;
    rules.push(line);
    let path = text(admin, "SHOW hba_file").await.unwrap();
    let all = format!("{}\nhost all all all trust\nlocal all all trust", rules.join("\n"));
    write(admin, &path, &all).await;
    run(admin, "SELECT pg_reload_conf()").await.unwrap();
}

/// Has the server ask this user for a password, and waits until it does.
pub(crate) async fn require_password(admin: &Postgres, user: &str) {
    rule(admin, format!("host all {user} all scram-sha-256")).await;
    refused(user, &format!("{}/postgres", with_user(&server().await, user))).await;
}

/// Waits until the server follows its new rules and lets this user in no more.
async fn refused(user: &str, url: &str) {
    while let Ok(db) = open(url).await {
        assert_eq!(text(&db, "SELECT current_user::text").await.unwrap(), user);
        db.close().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Makes certificates and has the server use them, once.
async fn encrypted() -> &'static Files {
    let init = || async {
        let files = Files { dir: TempDir::new().unwrap() };
        let (ca, issuer) = authority("our authority");
        let (other, _) = authority("another authority");
        // For the name, not for the address.
        let (server_cert, server_key) = certificate(&issuer, "server", &["localhost"], false);
        let (client_cert, client_key) = certificate(&issuer, "certified", &[], true);
        let (stranger, stranger_key) = certificate(&authority("third").1, "certified", &[], true);
        for (name, text) in [
            ("ca.pem", &ca),
            ("other.pem", &other),
            ("client.pem", &client_cert),
            ("client.key", &client_key),
            ("stranger.pem", &stranger),
            ("stranger.key", &stranger_key),
        ] {
            std::fs::write(files.path(name), text).unwrap();
        }
        let admin = admin().await;
        let data = text(&admin, "SHOW data_directory").await.unwrap();
        for (name, pem) in [("our-ca.pem", &ca), ("our.pem", &server_cert), ("our.key", &server_key)] {
            write(&admin, &format!("{data}/{name}"), pem.trim_end()).await;
        }
        for setting in [
            "ssl_ca_file = 'our-ca.pem'",
            "ssl_cert_file = 'our.pem'",
            "ssl_key_file = 'our.key'",
            "ssl = on",
        ] {
            run(&admin, &format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        run(&admin, "CREATE ROLE certified LOGIN").await.unwrap();
        run(&admin, "SELECT pg_reload_conf()").await.unwrap();
        let url = format!("{}/postgres?sslmode=require", server().await);
        loop {
            match open(&url).await {
                Ok(db) => break db.close().await.unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        // Only now, because without encryption this rule is an error.
        rule(&admin, "hostssl all certified all cert".to_owned()).await;
        refused("certified", &format!("{}/postgres", with_user(&server().await, "certified"))).await;
        admin.close().await.unwrap();
        files
    };
    FILES.get_or_init(init).await
}

/// A database by the name that its certificate has, or by its address.
async fn over(host: &str, user: &str, tls: Tls) -> persistence_sql::core::Result<Postgres> {
    let (_, port) = host_and_port(&server().await);
    Builder::new(&format!("postgres://{user}@{host}:{port}/postgres"))?.with_tls(tls).open().await
}

async fn is_encrypted(db: &Postgres) -> bool {
    const SSL: &str = "SELECT ssl::int::bigint FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    number(db, SSL, Vec::new()).await.unwrap() == 1
}

pub(crate) async fn the_server_is_verified() -> Outcome {
    if !is_ours() {
        return Ok(Completion::ignored_with("the server is not ours to configure"));
    }
    let files = encrypted().await;
    let (ours, other) = (Some(files.path("ca.pem")), Some(files.path("other.pem")));
    use TlsMode::*;
    for (mode, ca, host, encrypted) in [
        (Disable, None, "127.0.0.1", Some(false)),
        (Prefer, None, "127.0.0.1", Some(true)),
        (Require, None, "127.0.0.1", Some(true)),
        (VerifyCa, ours.clone(), "127.0.0.1", Some(true)),
        (VerifyFull, ours.clone(), "localhost", Some(true)),
        // Somebody in between.
        (VerifyCa, other.clone(), "127.0.0.1", None),
        (VerifyFull, other, "localhost", None),
        (VerifyFull, None, "localhost", None),
        // The authority vouches for another host.
        (VerifyFull, ours, "127.0.0.1", None),
    ] {
        let shown = format!("{mode:?} {ca:?} {host}");
        let db = over(host, "postgres", Tls { mode, ca, client: None }).await;
        match (db, encrypted) {
            (Ok(db), Some(encrypted)) => {
                assert_eq!(is_encrypted(&db).await, encrypted, "{shown}");
                db.close().await.unwrap();
            }
            (Err(_), None) => {}
            (done, _) => panic!("{shown}: {:?}", done.map(drop)),
        }
    }
    PASSED
}

pub(crate) async fn the_client_shows_its_certificate() -> Outcome {
    if !is_ours() {
        return Ok(Completion::ignored_with("the server is not ours to configure"));
    }
    let files = encrypted().await;
    let ca = Some(files.path("ca.pem"));
    let with = |client: Option<(&str, &str)>| Tls {
        mode: TlsMode::VerifyFull,
        ca: ca.clone(),
        client: client.map(|(cert, key)| (files.path(cert), files.path(key))),
    };
    let db = over("localhost", "certified", with(Some(("client.pem", "client.key")))).await.unwrap();
    assert_eq!(text(&db, "SELECT current_user::text").await.unwrap(), "certified");
    assert!(is_encrypted(&db).await);
    db.close().await.unwrap();
    over("localhost", "certified", with(None)).await.map(drop).unwrap_err();
    over("localhost", "certified", with(Some(("stranger.pem", "stranger.key")))).await.map(drop).unwrap_err();
    PASSED
}
