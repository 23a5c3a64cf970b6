//! Power loss in the middle of a sync leaves any subset of the last batch's blocks on disk.
//!
//! Emulated on copies: acknowledged rows, then one more batch whose sync "did not happen" (the record of what was
//! synced is the one from before), damaged in many places.

use crate::Case;
use crate::support::*;
use libtest_mimic::Failed;
use persistence_nosql::core::{Error, ErrorKind};
use persistence_nosql::row::{RowStore, Table};
use std::fs;
use std::ops::Range;
use std::path::Path;

pub(crate) const CASES: &[(&str, Case)] = &[
    ("a_torn_batch_of_64_x_1000_bytes_is_cut", || torn(64, 1000)),
    ("a_torn_batch_of_16_x_8000_bytes_is_cut", || torn(16, 8000)),
    ("a_journal_cut_off_in_the_last_batch_opens", cut_off),
    ("a_torn_batch_after_a_restart_is_cut", torn_after_restart),
    ("damage_before_whole_batches_is_never_cut", damage_before_whole_batches),
    ("a_synced_tail_is_never_cut", synced_tail),
    ("a_buffered_journal_may_lose_its_tail_but_no_more", buffered),
];

const ROWS: u32 = 100;

/// 100 acknowledged rows, then `n` of `len` bytes in one write. Returns where the last write lies in the journal.
async fn prepare(path: &Path, n: usize, len: usize) -> Result<Range<usize>, Error> {
    let store = open(path).await?;
    for i in 0..ROWS {
        write(&store, vec![put(i.to_be_bytes(), vec![7; 1000])]).await?;
    }
    let state = fs::read(path.join(STATE)).expect("a record");
    let begin = used(&journal(path));
    let mut random = Random(1);
    write(&store, (0..n).map(|i| put(format!("big{i:04}"), random.bytes(len))).collect()).await?;
    let end = used(&journal(path));
    // Dropped, not closed: closing would say that everything was synced.
    drop(store);
    fs::write(path.join(STATE), state).expect("a record");
    trim(path, end);
    Ok(begin..end)
}

/// Shortens the zeros that are allocated in advance, which cost more time to copy than all the rest.
fn trim(path: &Path, end: usize) {
    let file = fs::OpenOptions::new().write(true).open(journal(path)).expect("a journal");
    file.set_len(end as u64 + 100_000).expect("shorter");
}

/// Opens a copy of a store after `harm` was done to its journal.
///
/// Returns the numbers of small and of big rows. A refusal must have kept every byte that is not zero.
fn reopened(path: &Path, harm: impl FnOnce(&mut Vec<u8>)) -> Result<(usize, usize), Error> {
    let copied = dir();
    copy(path, copied.path());
    let journal = journal(copied.path());
    let mut bytes = fs::read(&journal).expect("a journal");
    harm(&mut bytes);
    fs::write(&journal, bytes).expect("a journal");
    let before = written(copied.path());
    run(async {
        let store = match open(copied.path()).await {
            Ok(store) => store,
            Err(e) => {
                assert!(before == written(copied.path()), "refused, and changed something");
                return Err(e);
            }
        };
        let rows = scan(&store, Table::Shard, "p").await?;
        let big = rows.iter().filter(|r| r.key.starts_with(b"big")).count();
        // What was repaired must go on working.
        write(&store, vec![put("after", "v")]).await?;
        store.close().await?;
        let store = open(copied.path()).await?;
        assert!(get(&store, Table::Shard, "p", "after").await?.is_some());
        assert_eq!(scan(&store, Table::Shard, "p").await?.len(), rows.len() + 1);
        store.close().await?;
        Ok((rows.len() - big, big))
    })
}

fn written(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(journal(path)).expect("a journal");
    bytes.truncate(used(&journal(path)));
    bytes
}

fn torn(n: usize, len: usize) -> Result<(), Failed> {
    let dir = dir();
    let batch = run(prepare(dir.path(), n, len))?;
    for block in [512, 4096] {
        let (first, last) = (batch.start.div_ceil(block), batch.end / block);
        for place in 0..24 {
            let at = (first + (last - 1 - first) * place / 23) * block;
            let (old, big) = reopened(dir.path(), |bytes| bytes[at..at + block].fill(0))?;
            assert_eq!((old, big), (ROWS as usize, 0), "block of {block} at {at}");
        }
    }
    // The block that the batch begins in holds synced bytes as well; only the batch's part can be missing.
    let (old, big) = reopened(dir.path(), |bytes| bytes[batch.start..batch.start + 100].fill(0))?;
    assert_eq!((old, big), (ROWS as usize, 0));
    let (old, big) = reopened(dir.path(), |_| {})?;
    assert_eq!((old, big), (ROWS as usize, n), "a whole batch is kept, synced or not");
    Ok(())
}

fn cut_off() -> Result<(), Failed> {
    let dir = dir();
    let batch = run(prepare(dir.path(), 16, 1000))?;
    let mut random = Random(3);
    // The parts of the batch: start, each item, end.
    let item = 1 + 1 + 1 + 8 + 2 + 4 + 4;
    let mut places =
        vec![batch.start, batch.start + 13, batch.end - 13, batch.end - 4, batch.end - 1, batch.end];
    places.extend((0..16).map(|i| batch.start + 13 + (item + 14) + i * (item + 10 + 1003)));
    places.extend((0..24).map(|_| batch.start + random.below(batch.len())));
    for at in places {
        for zeros in [false, true] {
            let (old, big) =
                reopened(dir.path(), |bytes| if zeros { bytes[at..].fill(0) } else { bytes.truncate(at) })?;
            assert_eq!(old, ROWS as usize, "cut at {at}");
            assert_eq!(big, if at == batch.end { 16 } else { 0 }, "cut at {at}");
        }
    }
    Ok(())
}

/// The journal is then no longer allocated in advance.
fn torn_after_restart() -> Result<(), Failed> {
    let dir = dir();
    run(async {
        let store = open(dir.path()).await?;
        write(&store, vec![put("first", "v")]).await?;
        store.close().await
    })?;
    let batch = run(prepare(dir.path(), 16, 1000))?;
    let mut random = Random(4);
    for _ in 0..24 {
        let at = batch.start + random.below(batch.len() - 512);
        let (old, big) = reopened(dir.path(), |bytes| bytes[at..at + 512].fill(0))?;
        assert_eq!((old, big), (ROWS as usize + 1, 0));
        let (old, _) = reopened(dir.path(), |bytes| bytes.truncate(at))?;
        assert_eq!(old, ROWS as usize + 1);
    }
    Ok(())
}

fn damage_before_whole_batches() -> Result<(), Failed> {
    let dir = dir();
    let batch = run(prepare(dir.path(), 16, 1000))?;
    let mut random = Random(5);
    for i in 0..48 {
        let at = random.below(batch.start - 512);
        let refused = reopened(dir.path(), |bytes| match i % 3 {
            0 => bytes[at..at + 512].fill(0),
            1 => bytes[at] ^= 0x40,
            _ => bytes[at..at + 4].fill(0xff),
        });
        assert_eq!(refused.expect_err("damaged").kind(), ErrorKind::Corrupted, "at {at}");
    }
    Ok(())
}

/// The same damage in the last batch, when the record says that it was synced: it was acknowledged.
fn synced_tail() -> Result<(), Failed> {
    let dir = dir();
    run(prepare(dir.path(), 1, 1))?;
    run(async {
        let store = open(dir.path()).await?;
        write(&store, vec![put("last", vec![1; 1000])]).await?;
        drop(store);
        Ok::<_, Error>(())
    })?;
    let end = used(&journal(dir.path()));
    for harm in [end - 500, end - 1, end - 1050] {
        let refused = reopened(dir.path(), |bytes| bytes.truncate(harm));
        assert_eq!(refused.expect_err("lost").kind(), ErrorKind::Corrupted);
        let refused = reopened(dir.path(), |bytes| bytes[harm..].fill(0));
        assert_eq!(refused.expect_err("lost").kind(), ErrorKind::Corrupted);
    }
    // All of it gone, between two batches: nothing in the journal looks wrong.
    let refused = reopened(dir.path(), Vec::clear);
    assert_eq!(refused.expect_err("lost").kind(), ErrorKind::Corrupted);
    Ok(())
}

fn buffered() -> Result<(), Failed> {
    let dir = dir();
    let kept = run(async {
        let store = open(dir.path()).await?;
        for i in 0..10u32 {
            write(&store, vec![put(i.to_be_bytes(), "synced")]).await?;
        }
        store.close().await?;
        let kept = used(&journal(dir.path()));
        let store = open_buffered(dir.path()).await?;
        for i in 10..50u32 {
            write(&store, vec![put(i.to_be_bytes(), vec![1; 1000])]).await?;
        }
        drop(store);
        Ok::<_, Error>(kept)
    })?;
    let end = used(&journal(dir.path()));
    let (old, _) = reopened(dir.path(), |bytes| bytes[kept + 5000..kept + 5512].fill(0))?;
    assert!((10..50).contains(&old), "{old} rows");
    let (old, _) = reopened(dir.path(), |bytes| bytes[kept..end].fill(0))?;
    assert_eq!(old, 10);
    let refused = reopened(dir.path(), |bytes| bytes[kept - 40..kept - 30].fill(0));
    assert_eq!(refused.expect_err("lost").kind(), ErrorKind::Corrupted);
    Ok(())
}
