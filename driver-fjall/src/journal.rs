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

use crate::errors::corrupted;
use crate::home::Record;
use crate::tables::COMMIT_KEY;
use bytes::Buf;
use persistence_nosql::core::Result;
use persistence_nosql::core::embedded::{io_error, sync_directory};
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
/// left is on disk.
///
/// The directory must be locked. `Corrupted` means that nothing was changed.
pub(crate) fn check(directory: &Path, record: Record) -> Result<()> {
    let journals = journals(directory)?;
    let mut last = None;
    for (i, journal) in journals.iter().enumerate() {
        let io = io_error("read the journal", journal);
        let bytes = fs::read(journal).map_err(io)?;
        let found = walk(&bytes, last, record.floor).map_err(|problem| corrupted(journal, problem))?;
        last = found.last;
        let (end, newest) = (found.end, i + 1 == journals.len());
        let torn = !is_zero(&bytes[end..]);
        let problem = if torn && !newest {
            // fjall syncs a journal to the end before it begins the next one.
            format!("damaged at byte {end}, and a later journal follows")
        } else if let Some(last) = last.filter(|last| newest && *last < record.floor) {
            format!("ends with commit {last}, but {} was synced", record.floor)
        } else if torn && record.each && holds_batch(&bytes[end + 1..]) {
            // A batch is written only once the one before it is synced.
            format!("damaged at byte {end}, and whole batches follow")
        } else {
            if newest {
                settle(journal, &bytes, &found, torn).map_err(io)?;
            }
            continue;
        };
        return Err(corrupted(journal, problem));
    }
    Ok(())
}

/// Keeps a copy of the torn tail beside the journal, cuts it off, and writes what may not have been synced once more:
/// after a failed sync the operating system may take for written what is not, and only a new write makes it try again.
fn settle(journal: &Path, bytes: &[u8], found: &Walked, torn: bool) -> std::io::Result<()> {
    if !torn && found.unsure == found.end {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).open(journal)?;
    if torn {
        let used = bytes.iter().rposition(|b| *b != 0).map_or(found.end, |p| p + 1);
        let copy = journal.with_extension(format!("torn-{}", found.end));
        let mut kept = File::create(copy)?;
        kept.write_all(&bytes[found.end..used])?;
        kept.sync_all()?;
        file.set_len(found.end as u64)?;
    }
    file.seek(SeekFrom::Start(found.unsure as u64))?;
    file.write_all(&bytes[found.unsure..found.end])?;
    file.sync_all()?;
    journal.parent().map_or(Ok(()), sync_directory)
}

/// The journals, oldest first.
fn journals(directory: &Path) -> Result<Vec<PathBuf>> {
    let io = io_error("list the journals", directory);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("jnl")) {
            continue;
        }
        // fjall panics on what is no file and gives up on another name.
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".jnl")?.parse::<u64>().ok());
        match number {
            Some(number) if entry.file_type().map_err(io)?.is_file() => found.push((number, path)),
            _ => return Err(corrupted(&path, "is not a file that is named like a journal")),
        }
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
    while let Some((length, commit)) = batch(&bytes[end..]) {
        let Some(commit) = commit else {
            return Err(format!("the batch at byte {end} was written by another program"));
        };
        if last.is_some_and(|last| commit != last + 1) {
            return Err(format!("commit {commit} at byte {end} follows {}", last.unwrap_or(0)));
        }
        if commit > floor {
            unsure.get_or_insert(end);
        }
        last = Some(commit);
        end += length;
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
    (0..bytes.len()).any(|at| bytes[at] == START && batch(&bytes[at..]).is_some())
}

/// The length of the batch that begins here and its commit number; none when it is not whole: complete, with the right
/// checksum.
fn batch(bytes: &[u8]) -> Option<(usize, Option<u64>)> {
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
    whole.then_some((bytes.len() - rest.len(), commit))
}
