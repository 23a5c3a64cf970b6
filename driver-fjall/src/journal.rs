//! Checks the journals before fjall reads them, and cuts a torn tail. The reasons are in ADR 4.
//!
//! fjall's own recovery is wrong for us in both directions: it refuses to open in about half of the places where
//! power loss can tear the last batch, and where it finds bytes that are no entry at all it cuts the journal off without a
//! word, synced batches after them included. So it never gets to see a damaged journal.
//!
//! A journal is `batch*` and zeros. A batch is (integers little-endian)
//! `1, items u32, sequence u64`, then its items, then `3, xxh3-64 of the items' bytes, "FJL\x03"`. An item is
//! `2, kind u8, compression u8, keyspace u64, key u16, value u32, stored value u32, key bytes, value bytes`, or
//! `4, keyspace u64`. The first item of each batch of ours is the commit number.

use crate::errors;
use crate::home::{Record, sync_directory};
use crate::tables::COMMIT_KEY;
use bytes::Buf;
use persistence_nosql::core::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8] = b"FJL\x03";

/// Checks every journal, cuts the torn tail of the last one if there is any, and makes sure that everything that is
/// left is on disk. Returns the last commit that the journals hold; none when they hold none.
///
/// The directory must be locked. `Corrupted` means that nothing was changed.
pub(crate) fn check(directory: &Path, record: Record) -> Result<Option<u64>> {
    let journals = journals(directory)?;
    let mut last = None;
    for (i, journal) in journals.iter().enumerate() {
        let io = |e| errors::io("read the journal", journal, e);
        let bytes = fs::read(journal).map_err(io)?;
        let found = walk(&bytes, last, record.floor).map_err(|problem| corrupted(journal, problem))?;
        last = found.last;
        let torn = !is_zero(&bytes[found.end..]);
        if i + 1 < journals.len() {
            // fjall syncs a journal to the end before it begins the next one.
            if torn {
                let problem = format!("damaged at byte {}, and a later journal follows", found.end);
                return Err(corrupted(journal, problem));
            }
            continue;
        }
        if last.is_some_and(|last| last < record.floor) {
            let problem = format!("ends with commit {}, but {} was synced", last.unwrap_or(0), record.floor);
            return Err(corrupted(journal, problem));
        }
        if torn && record.each && holds_batch(&bytes[found.end + 1..]) {
            // A batch is written only once the one before it is synced.
            let problem = format!("damaged at byte {}, and whole batches follow", found.end);
            return Err(corrupted(journal, problem));
        }
        settle(journal, &bytes, &found, torn).map_err(io)?;
    }
    Ok(last)
}

/// Keeps a copy of the torn tail beside the journal, cuts it off, and writes what may not have been synced once more:
/// after a failed sync the operating system may take for written what is not, and only a new write makes it try again.
fn settle(journal: &Path, bytes: &[u8], found: &Walked, torn: bool) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(journal)?;
    if torn {
        let used = bytes.iter().rposition(|b| *b != 0).map_or(found.end, |p| p + 1);
        let copy = journal.with_extension(format!("torn-{}", found.end));
        let mut kept = File::create(copy)?;
        kept.write_all(&bytes[found.end..used])?;
        kept.sync_all()?;
        file.set_len(found.end as u64)?;
    }
    if found.unsure < found.end {
        file.seek(SeekFrom::Start(found.unsure as u64))?;
        file.write_all(&bytes[found.unsure..found.end])?;
    }
    if torn || found.unsure < found.end {
        file.sync_all()?;
        if let Some(directory) = journal.parent() {
            sync_directory(directory)?;
        }
    }
    Ok(())
}

fn corrupted(journal: &Path, problem: impl Into<String>) -> Error {
    Error::corrupted(journal.display().to_string(), problem)
}

/// The journals, oldest first.
fn journals(directory: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| errors::io("list the journals", directory, e);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("jnl")) {
            continue;
        }
        // fjall panics on the first and gives up on the second.
        if !entry.file_type().map_err(io)?.is_file() {
            return Err(corrupted(&path, "is not a file"));
        }
        let number = entry.file_name().to_str().and_then(|n| n.strip_suffix(".jnl")?.parse::<u64>().ok());
        found.push((number.ok_or_else(|| corrupted(&path, "is not named like a journal"))?, path));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The batches at the beginning of a journal that are whole.
struct Walked {
    /// Where they end.
    end: usize,
    /// Where those begin that may not have been synced.
    unsure: usize,
    /// The last commit so far.
    last: Option<u64>,
}

fn walk(bytes: &[u8], mut last: Option<u64>, floor: u64) -> Result<Walked, String> {
    let (mut end, mut unsure) = (0, None);
    while let Some(batch) = Batch::read(&bytes[end..]) {
        let Some(commit) = batch.commit else {
            return Err(format!("the batch at byte {end} was written by another program"));
        };
        if last.is_some_and(|last| commit != last + 1) {
            return Err(format!("commit {commit} at byte {end} follows {}", last.unwrap_or(0)));
        }
        if commit > floor {
            unsure.get_or_insert(end);
        }
        last = Some(commit);
        end += batch.len;
    }
    Ok(Walked { end, unsure: unsure.unwrap_or(end), last })
}

/// By blocks, because a journal is mostly zeros that are allocated in advance.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|block| *block == ZEROS[..block.len()])
}

/// Whether a whole batch begins anywhere in these bytes.
fn holds_batch(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| bytes[at] == START && Batch::read(&bytes[at..]).is_some())
}

/// A batch that is whole: complete, with the right checksum.
struct Batch {
    len: usize,
    commit: Option<u64>,
}

impl Batch {
    fn read(bytes: &[u8]) -> Option<Batch> {
        let mut rest = bytes;
        if rest.try_get_u8().ok()? != START {
            return None;
        }
        let items = rest.try_get_u32_le().ok()?;
        rest.split_off(..8)?;
        let (mut body, mut commit) = (rest, None);
        for i in 0..items {
            match rest.try_get_u8().ok()? {
                ITEM => {
                    rest.split_off(..2 + 8)?;
                    let key = usize::from(rest.try_get_u16_le().ok()?);
                    rest.split_off(..4)?;
                    let value = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
                    let (key, value) = (rest.split_off(..key)?, rest.split_off(..value)?);
                    if i == 0 && key == COMMIT_KEY {
                        commit = value.try_into().ok().map(u64::from_le_bytes);
                    }
                }
                CLEAR => {
                    rest.split_off(..8)?;
                }
                _ => return None,
            }
        }
        body = &body[..body.len() - rest.len()];
        let whole = rest.try_get_u8().ok()? == END
            && rest.try_get_u64_le().ok()? == xxh3_64(body)
            && rest.split_off(..4)? == TRAILER;
        whole.then_some(Batch { len: bytes.len() - rest.len(), commit })
    }
}
