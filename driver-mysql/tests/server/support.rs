//! The server, and a workflow on it.

use driver_mysql::{Builder, Mysql};
use persistence_sql::core::store::*;
use persistence_sql::core::*;
use persistence_sql::driver::SqlDriver;
use persistence_sql::value::Kind;
use persistence_tests::Server;
use persistence_tests::build::record::{immediate, items, mutation, snapshot};
use std::sync::Arc;

pub(crate) static SERVER: Server =
    Server::new("mysql", "mysql:9.7", 3306, "X Plugin ready for connections. Bind-address")
        .env(&[("MYSQL_ALLOW_EMPTY_PASSWORD", "yes")])
        .args(&["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"])
        .data_in_memory("/var/lib/mysql");

pub(crate) const SHARD: ShardId = ShardId(1);

/// A database of a test's own.
pub(crate) struct Database {
    pub name: String,
    host: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = SERVER.url(|host, port| format!("mysql://root@{host}:{port}")).await.unwrap();
        let name = format!("t_{}", uuid::Uuid::now_v7().simple());
        let host = server.rsplit_once('@').unwrap().1.to_owned();
        let database = Database { name: name.clone(), host };
        database.admin(&format!("CREATE DATABASE {name}")).await;
        database
    }

    pub(crate) fn host(&self) -> String {
        self.host.clone()
    }

    /// The same database, reached by a port of this machine.
    pub(crate) fn at(&self, port: u16) -> Database {
        Database { name: self.name.clone(), host: format!("127.0.0.1:{port}") }
    }

    fn url(&self, user: &str, database: &str, options: &str) -> String {
        format!("mysql://{user}@{}/{database}?pool_size=1{options}", self.host)
    }

    /// Runs a statement as administrator.
    pub(crate) async fn admin(&self, sql: &str) {
        let driver = Builder::new(&self.url("root", "mysql", "")).unwrap().open().await.unwrap();
        driver.acquire(&Context::new()).await.unwrap().execute(sql, Vec::new()).await.unwrap();
        driver.close().await.unwrap();
    }

    /// How many sessions there are on the database.
    pub(crate) async fn sessions(&self) -> i64 {
        let sql = "SELECT count(*) FROM information_schema.processlist WHERE db = ?";
        let driver = Builder::new(&self.url("root", "mysql", "")).unwrap().open().await.unwrap();
        let mut conn = driver.acquire(&Context::new()).await.unwrap();
        let mut rows =
            conn.query("processlist", sql, vec![(&*self.name).into()], &[Kind::Int]).await.unwrap();
        drop(conn);
        driver.close().await.unwrap();
        rows[0].int().unwrap()
    }

    /// A user with these privileges on the database.
    pub(crate) async fn user(&self, privileges: &str) -> String {
        let user = format!("u{}", &uuid::Uuid::new_v4().simple().to_string()[..20]);
        self.admin(&format!("CREATE USER {user}")).await;
        self.admin(&format!("GRANT {privileges} ON {}.* TO {user}", self.name)).await;
        user
    }

    /// The driver for a user, who finds the schema as it is.
    pub(crate) async fn driver(&self, user: &str) -> Mysql {
        Builder::new(&self.url(user, &self.name, "&migrate=never")).unwrap().open().await.unwrap()
    }

    /// All stores for a user, with one connection.
    pub(crate) async fn open(&self, user: &str, options: &str) -> Handle {
        let driver = Builder::new(&self.url(user, &self.name, options)).unwrap().open().await.unwrap();
        let driver = Arc::new(driver);
        let stores = persistence_sql::open(driver.clone(), Env::default()).await.unwrap();
        let shard = GetOrCreateShard { shard_id: SHARD, initial_range_id: 1, initial_info: Blob::json("{}") };
        stores.shards().get_or_create_shard(&Context::new(), &shard).await.unwrap();
        Handle { driver, stores }
    }
}

/// All stores, and the driver under them.
pub(crate) struct Handle {
    pub driver: Arc<Mysql>,
    pub stores: Arc<dyn Persistence>,
}

impl Handle {
    /// A counter of the session. There is one connection, so it is that of the stores.
    pub(crate) async fn counted(&self, like: &str) -> i64 {
        let sql = format!("SHOW SESSION STATUS LIKE '{like}'");
        let mut conn = self.driver.acquire(&Context::new()).await.unwrap();
        let rows = conn.query("status", &sql, Vec::new(), &[Kind::Text, Kind::Text]).await.unwrap();
        assert!(!rows.is_empty(), "{like}");
        let value = |mut row: persistence_sql::value::SqlRow| {
            row.skip(1);
            row.text().unwrap().parse::<i64>().unwrap()
        };
        rows.into_iter().map(value).sum()
    }

    /// How much a counter grows while something is done.
    pub(crate) async fn grows<T>(&self, like: &str, done: impl Future<Output = T>) -> (i64, T) {
        let before = self.counted(like).await;
        let done = done.await;
        (self.counted(like).await - before, done)
    }
}

/// A workflow.
pub(crate) struct Flow {
    namespace_id: NamespaceId,
    workflow_id: String,
    pub run_id: RunId,
}

impl Flow {
    pub(crate) fn new() -> Self {
        let workflow_id = format!("workflow {}", uuid::Uuid::now_v7());
        Flow { namespace_id: NamespaceId::new(), workflow_id, run_id: RunId::new() }
    }

    fn scope(&self) -> ExecutionScope {
        ExecutionScope {
            shard_id: SHARD,
            range_id: 1,
            namespace_id: self.namespace_id,
            workflow_id: self.workflow_id.clone(),
            archetype: Archetype::WORKFLOW,
            attempt: AttemptId::new(),
        }
    }

    pub(crate) fn create(&self) -> CreateExecution {
        let mut snapshot = snapshot(self.run_id, ExecutionState::Running);
        snapshot.items = items(2);
        let mode = CreateMode::BrandNew;
        CreateExecution { scope: self.scope(), mode, snapshot, history: Vec::new() }
    }

    pub(crate) fn get(&self) -> GetExecution {
        let (namespace_id, workflow_id) = (self.namespace_id, self.workflow_id.clone());
        GetExecution { shard_id: SHARD, run: RunKey { namespace_id, workflow_id, run_id: self.run_id } }
    }

    pub(crate) fn update(&self, expected_version: i64) -> UpdateExecution {
        let mut mutation = mutation(self.run_id, expected_version, ExecutionState::Running);
        mutation.upsert_items = items(2);
        mutation.tasks = vec![immediate(TaskCategory::TRANSFER, 1000 + expected_version)];
        let mode = UpdateMode::UpdateCurrent;
        UpdateExecution { scope: self.scope(), mode, mutation, new_run: None, history: Vec::new() }
    }
}
