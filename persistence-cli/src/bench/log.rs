//! The most that a disk can do: a plain log, synced once for all that wait, behind the committer that the embedded driver
//! uses. It keeps nothing but the bytes, so no store can be faster here.

use super::engine::TRANSITION_BYTES;
use super::measure::{Payloads, Worker};
use anyhow::{Context as _, Result, anyhow};
use persistence::Blob;
use persistence::commit::{BatchEngine, CommitOptions, GroupCommitter};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log that is deleted with its last appender.
pub(crate) struct Log {
    committer: Arc<GroupCommitter<Appending>>,
    payloads: Payloads,
}

struct Appending {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl BatchEngine for Appending {
    type Op = Blob;
    type Answer = Result<(), String>;

    fn apply(&mut self, ops: Vec<Blob>) -> Vec<Result<(), String>> {
        let written = self.append(&ops).map_err(|e| e.to_string());
        vec![written; ops.len()]
    }
}

impl Appending {
    fn append(&mut self, ops: &[Blob]) -> io::Result<()> {
        self.buffer.clear();
        for op in ops {
            self.buffer.extend_from_slice(&op.data);
        }
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        // Left behind it does no harm but for its size.
        std::fs::remove_file(&self.path).ok();
    }
}

impl Log {
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(format!("persist-bench-{}.log", std::process::id()));
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let log = Appending { file, path, buffer: Vec::new() };
        let committer = GroupCommitter::start("plain log", log, CommitOptions::default())?;
        Ok(Log { committer: Arc::new(committer), payloads: Payloads::new(0) })
    }

    pub(crate) fn appender(&self) -> Appender {
        Appender { committer: self.committer.clone(), payloads: self.payloads.clone() }
    }
}

/// Appends records as long as a transition, one after the other.
pub(crate) struct Appender {
    committer: Arc<GroupCommitter<Appending>>,
    payloads: Payloads,
}

impl Worker for Appender {
    async fn step(&mut self) -> Result<u64> {
        let record = self.payloads.next(TRANSITION_BYTES);
        self.committer.submit(record).await?.map_err(|e| anyhow!("writing the plain log: {e}"))?;
        Ok(1)
    }
}
