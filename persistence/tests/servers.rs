//! The examples on real servers, each twice on the same database.

#![allow(clippy::unwrap_used)]

mod support;

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use persistence_tests::Server;
use std::process::ExitCode;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// A kind of server, and how one gets a database on it.
struct Place {
    name: &'static str,
    server: Server,
    url: fn(&str, u16) -> String,
    /// Makes a database of this name on the server, and gives its URL.
    database: fn(String, String) -> BoxFuture<'static, String>,
}

/// The slowest to start comes last: it does so while the examples run on the others.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    vec![
        #[cfg(feature = "postgres")]
        Place {
            name: "postgres",
            server: Server::new(
                "postgres",
                "postgres:18",
                5432,
                "database system is ready to accept connections",
            )
            .env(&[("POSTGRES_HOST_AUTH_METHOD", "trust")])
            .args(&["-c", "fsync=off"])
            .data_in_memory("/var/lib/postgresql"),
            url: |host, port| format!("postgres://postgres@{host}:{port}"),
            database: |server, name| {
                Box::pin(async move {
                    let admin = driver_postgres::Builder::new(&format!("{server}/postgres")).unwrap();
                    create(admin.open().await.unwrap(), &name).await;
                    format!("{server}/{name}?acquire_timeout=60s")
                })
            },
        },
        #[cfg(feature = "mysql")]
        Place {
            name: "mysql",
            server: Server::new("mysql", "mysql:9.7", 3306, "X Plugin ready for connections. Bind-address")
                .env(&[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")])
                .args(&["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"])
                .data_in_memory("/var/lib/mysql"),
            url: |host, port| format!("mysql://root@{host}:{port}"),
            database: |server, name| {
                Box::pin(async move {
                    let admin = driver_mysql::Builder::new(&format!("{server}/mysql")).unwrap();
                    create(admin.open().await.unwrap(), &name).await;
                    format!("{server}/{name}?acquire_timeout=60s")
                })
            },
        },
        #[cfg(feature = "cassandra")]
        Place {
            name: "cassandra",
            server: Server::new("cassandra", "cassandra:5.0", 9042, "Startup complete")
                .ready_on_stdout()
                .env(&[("CASSANDRA_BROADCAST_RPC_ADDRESS", "127.0.0.1"), ("MAX_HEAP_SIZE", "1G")])
                .data_in_memory("/var/lib/cassandra"),
            url: |host, port| format!("cassandra://{host}:{port}"),
            database: |server, name| {
                let patient = "connect_timeout=60s&request_timeout=60s&keepalive=60s";
                Box::pin(async move { format!("{server}/{name}?replication=SimpleStrategy:1&{patient}") })
            },
        },
    ]
});

#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn create(admin: impl persistence_sql::driver::SqlDriver, name: &str) {
    let cx = persistence::Context::new();
    admin.acquire(&cx).await.unwrap().execute(&format!("CREATE DATABASE {name}"), Vec::new()).await.unwrap();
    admin.close().await.unwrap();
}

/// An example that is run twice, since what it left must not hinder it.
fn twice(place: &'static Place, name: &str, url: &str, example: fn(&str)) -> Trial {
    let url = url.to_owned();
    Trial::test(format!("{}/{name}", place.name), move || {
        let ran = std::panic::catch_unwind(|| (0..2).for_each(|_| example(&url)));
        // What a panic said is on standard error.
        ran.map_err(|_| Failed::from("it panicked"))
    })
}

/// Runs the examples on a server.
fn tested(runtime: &Runtime, place: &'static Place) -> ExitCode {
    let name = format!("examples_{}", uuid::Uuid::now_v7().simple());
    let url = match runtime.block_on(place.server.url(place.url)) {
        Ok(server) => runtime.block_on((place.database)(server, name)),
        Err(e) => {
            println!("{}: {e}\ntest result: FAILED. 0 passed; 1 failed; 0 ignored", place.name);
            return ExitCode::FAILURE;
        }
    };
    let trials = vec![
        twice(place, "pipecd_control_plane", &url, support::control_plane),
        twice(place, "fuseml_registry", &url, support::registry),
    ];
    // One at a time: the second writer of a schema only waits for the first one.
    let args = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&args, trials).exit_code()
}

fn main() -> ExitCode {
    if Arguments::from_args().list {
        return ExitCode::SUCCESS;
    }
    let runtime = Runtime::new().unwrap();
    for place in PLACES.iter() {
        // Whether it can be started at all is told by who runs the examples on it.
        runtime.spawn(async { place.server.url(place.url).await.map(drop) });
    }
    let run = |place: &'static Place| place.server.run(|| tested(&runtime, place));
    let codes: Vec<ExitCode> = PLACES.iter().map(run).collect();
    if codes.iter().all(|code| *code == ExitCode::SUCCESS) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
