//! A store in a fresh directory, and short words for rows.

use bytes::Bytes;
use driver_fjall::{Fjall, SyncMode};
use persistence_nosql::core::{Context, Error, Result};
use persistence_nosql::row::{
    Check, Condition, KeyRange, KeyedRow, Level, Op, Order, Part, Row, RowStore, Table, Write, WriteOutcome,
};
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(work)
}

/// On a real disk: a sync of a memory file system proves nothing.
pub(crate) fn dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

pub(crate) async fn open(path: &Path) -> Result<Fjall> {
    Fjall::builder(path).with_cache_bytes(8 << 20).open().await
}

pub(crate) async fn open_buffered(path: &Path) -> Result<Fjall> {
    Fjall::builder(path).with_cache_bytes(8 << 20).with_sync(SyncMode::Buffered).open().await
}

pub(crate) fn bytes(text: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref())
}

pub(crate) fn row(value: impl AsRef<[u8]>) -> Row {
    Row { guard: bytes("g"), value: bytes(value) }
}

pub(crate) fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put { key: bytes(key), row: row(value), collectable_after: None }
}

pub(crate) fn check(key: impl AsRef<[u8]>, condition: Condition) -> Check {
    Check { key: bytes(key), condition }
}

pub(crate) fn part(table: Table, partition: &str, checks: Vec<Check>, ops: Vec<Op>) -> Part {
    Part { table, partition: bytes(partition), checks, ops }
}

/// Ops without conditions in the shard table's partition `p`.
pub(crate) async fn write(store: &Fjall, ops: Vec<Op>) -> Result<()> {
    write_parts(store, vec![part(Table::Shard, "p", vec![], ops)]).await
}

pub(crate) async fn write_parts(store: &Fjall, parts: Vec<Part>) -> Result<()> {
    match store.write(&Context::new(), Write { parts, unordered: false }).await? {
        WriteOutcome::Applied => Ok(()),
        WriteOutcome::Refused(rows) => Err(Error::invalid("parts", format!("refused: {rows:?}"))),
    }
}

pub(crate) async fn get(
    store: &Fjall,
    table: Table,
    partition: &str,
    key: impl AsRef<[u8]>,
) -> Result<Option<Row>> {
    let keys = [bytes(key)];
    Ok(store.get(&Context::new(), table, partition.as_bytes(), &keys, Level::Serial).await?.remove(0))
}

pub(crate) async fn scan(store: &Fjall, table: Table, partition: &str) -> Result<Vec<KeyedRow>> {
    let all = KeyRange::all();
    let cx = Context::new();
    store.scan(&cx, table, partition.as_bytes(), &all, Order::Ascending, usize::MAX, Level::Serial).await
}

/// The one journal of a small store.
pub(crate) fn journal(path: &Path) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(path)
        .expect("a store")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "jnl"))
        .collect();
    assert_eq!(found.len(), 1, "one journal");
    found.remove(0)
}

/// How many bytes of a journal are written; the rest is allocated in advance.
pub(crate) fn used(journal: &Path) -> usize {
    let bytes = fs::read(journal).expect("a journal");
    let zeros = [0; 4096];
    let blocks = bytes.chunks(zeros.len()).rposition(|b| *b != zeros[..b.len()]).map_or(0, |last| last + 1);
    let end = bytes.len().min(blocks * zeros.len());
    bytes[..end].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

pub(crate) const STATE: &str = "persistence.state";

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Every file below a directory with its bytes.
pub(crate) fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// Small numbers without a pattern; the seed is printed by whoever uses it.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % n
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..n.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(n);
        bytes
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }
}
