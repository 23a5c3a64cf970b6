//! Behind PgBouncer in transaction mode, of the distribution's packages.

use crate::support::*;
use driver_postgres::Builder;
use libtest_mimic::Completion;
use persistence_sql::core::store::ExecutionState::*;
use persistence_sql::core::{Archetype, Context, Env, NamespaceId, Persistence, RunId, ShardId};
use persistence_sql::driver::SqlDriver;
use persistence_sql::{Naming, SchemaSettings};
use persistence_tests::build::execution::{Flow, move_shard, shard};
use persistence_tests::build::record::{created, items, mutated, mutation, snapshot};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How many sessions the proxy shares among all connections.
const SESSIONS: i64 = 3;
const CLIENTS: i32 = 12;

/// How many ports are tried.
const PORTS: usize = 5;

/// A running proxy.
struct PgBouncer {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl PgBouncer {
    /// None where it is not installed.
    fn start(server: &str) -> Option<Self> {
        PgBouncer::program().map(|program| {
            // Another program may be given the port between its choice and its use.
            let mut tries = (0..PORTS).map(|_| PgBouncer::start_once(&program, server));
            tries.find_map(|started| started).expect("PgBouncer does not start")
        })
    }

    fn program() -> Option<PathBuf> {
        ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
            .into_iter()
            .map(PathBuf::from)
            .find(|p| p.exists())
    }

    /// None where it ends instead of serving.
    fn start_once(program: &Path, server: &str) -> Option<Self> {
        let (host, upstream) = host_and_port(server);
        let dir = TempDir::new().unwrap();
        // It gives up being root, and reads its files after that.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let users = dir.path().join("users.txt");
        std::fs::write(&users, "\"postgres\" \"\"\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ini = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={upstream}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = {SESSIONS}\nmax_client_conn = 500\nignore_startup_parameters = options\n",
            users.display()
        );
        std::fs::write(&ini, text).unwrap();
        let mut command = Command::new(program);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut bouncer = PgBouncer { child, port, _dir: dir };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if bouncer.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(bouncer)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients that move workflows through transitions at once, over far fewer sessions than connections: everything is applied
/// once, reads see it, and no statement meets another's.
pub(crate) async fn transactions_share_sessions() -> Outcome {
    let server = server().await;
    let Some(bouncer) = PgBouncer::start(&server) else {
        let required = std::env::var("PERSISTENCE_REQUIRE").unwrap_or_default();
        if required.split(',').any(|r| r.trim() == "postgres") {
            return Err("PgBouncer is not installed: cargo xtask test --setup".to_owned());
        }
        return Ok(Completion::ignored_with("PgBouncer is not installed"));
    };
    let name = fresh("pool");
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?statement_cache=0", bouncer.port);
    let naming = Naming::default().with_schema(Some(&name)).unwrap().with_prefix("p_").unwrap();
    let db = Builder::new(&url).unwrap().with_pool_size(64).with_application_name(name.clone());
    let db = Arc::new(db.with_schema(SchemaSettings::named(naming)).open().await.unwrap());
    let p = persistence_sql::open(db.clone(), Env::default()).await.unwrap();
    let clients: Vec<_> = (1..=CLIENTS).map(|n| tokio::spawn(client(p.clone(), ShardId(n)))).collect();
    for client in clients {
        client.await.unwrap();
    }
    // The server's own processes, as the one that vacuums, look at the tables as well.
    let sessions = "SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND (application_name = $1 OR query LIKE $2)";
    let admin = admin().await;
    let found = number(&admin, sessions, vec![(&*name).into(), "%p_executions%".into()]).await.unwrap();
    assert!((1..=SESSIONS + 1).contains(&found), "{found} sessions");
    assert!(db.pool().connected > 2 * u64::try_from(SESSIONS).unwrap(), "{:?}", db.pool());
    run(&admin, &format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
    admin.close().await.unwrap();
    p.close().await.unwrap();
    PASSED
}

async fn client(p: Arc<dyn Persistence>, shard_id: ShardId) {
    let cx = Context::new();
    p.shards().get_or_create_shard(&cx, &shard(shard_id, 1)).await.unwrap();
    p.shards().update_shard(&cx, &move_shard(shard_id, 1, 2)).await.unwrap();
    let w = Flow {
        p,
        shard_id,
        range_id: 2,
        namespace_id: NamespaceId::new(),
        workflow_id: format!("workflow of {}", shard_id.0),
        archetype: Archetype::WORKFLOW,
    };
    let run = snapshot(RunId::new(), Created);
    w.send(&w.brand_new(&run)).await.unwrap();
    let mut state = created(&run);
    for version in 1..=10 {
        let change = persistence_sql::core::store::Mutation {
            upsert_items: items(version),
            ..mutation(run.run_id, version, Running)
        };
        w.send(&w.update_current(&change)).await.unwrap();
        state = mutated(&state, &change);
        assert_eq!(w.load(run.run_id).await.unwrap(), state);
    }
}
