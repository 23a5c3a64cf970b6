//! The places of an index that one access reads, merged.

use super::batch::{Entry, Seen};
use super::catalogue::Collection;
use super::encode;
use super::fetch::CONCURRENCY;
use super::keys::{self, IndexRef, STAMP};
use super::record::Record;
use crate::bucket::Bucket;
use crate::codec::decode;
use crate::core::document::plan::{Access, Position};
use crate::core::document::{Direction, DocumentKey, IndexKey, Partitioning, Scalar};
use crate::core::{Context, Result, Timestamp};
use crate::keys::successor;
use crate::row::*;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Bound;

/// The fewest rows that are read of one place at once.
const FEWEST: usize = 8;

/// What rows are read as.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// The documents themselves, in the order of ids.
    Documents,
    /// The entries of an index.
    Entries(IndexRef<'a>),
}

/// A row that was found.
pub(super) struct Candidate {
    pub(super) key: DocumentKey,
    pub(super) row: KeyedRow,
    /// When its entry was written.
    pub(super) written: Timestamp,
    /// Who sees it, as its entry or its document says.
    pub(super) seen: Seen,
    /// Of its entry, as in [`Stored::entries`](super::record::Stored::entries).
    pub(super) components: Bytes,
}

/// One place: a range of a partition whose keys begin alike.
struct Seek {
    table: Table,
    partition: Bytes,
    /// The value of the partition, where the keys do not tell.
    of: Option<String>,
    prefix: usize,
    range: KeyRange,
    ended: bool,
    ready: VecDeque<(Bytes, KeyedRow)>,
}

/// All places of an access.
pub(super) struct Seeks<'a> {
    bucket: &'a Bucket,
    what: What<'a>,
    /// The bytes before the components in the keys of entries.
    section: usize,
    id_order: Direction,
    reverse: bool,
    after: Option<Bytes>,
    places: Vec<Seek>,
    heads: BinaryHeap<Reverse<(Bytes, usize)>>,
    batch: usize,
}

/// What an access reads.
pub(super) fn what<'a>(collection: &'a Collection, access: &Access) -> What<'a> {
    let declared = &collection.declared;
    match access.index {
        Some(place) => What::Entries(declared.index_ref(&declared.indexes[place])),
        None if collection.def().partition == Partitioning::Spread => What::Entries(declared.by_id()),
        None => What::Documents,
    }
}

impl<'a> Seeks<'a> {
    pub(super) fn new(
        bucket: &'a Bucket,
        collection: &'a Collection,
        access: &Access,
        after: Option<&Position>,
        limit: usize,
    ) -> Self {
        let def = collection.def();
        let what = what(collection, access);
        let (keys, id_order, section) = match what {
            What::Documents => (&[] as &[IndexKey], Direction::Ascending, keys::documents(def)),
            What::Entries(i) => (&*i.index.keys, i.index.id_order, i.entries(def)),
        };
        let rest = &keys[access.equal.len()..];
        let after = after.map(|p| Beyond::new(p, rest, id_order));
        let mut places = Vec::new();
        for of in partitions(access, what) {
            let (table, partition) = place(collection, what, of.as_deref());
            for equal in combinations(access, keys) {
                let prefix = [&section[..], &equal[..]].concat();
                let range = range(access, &prefix, rest.first(), id_order, after.as_ref());
                let ended = range.is_empty() || prefix.len() > MAX_KEY;
                let (partition, of, prefix) = (partition.clone(), of.clone(), prefix.len());
                places.push(Seek { table, partition, of, prefix, range, ended, ready: VecDeque::new() });
            }
        }
        let batch = (limit / places.len().max(1) + 2).max(FEWEST);
        let after = after.map(|b| rank(b.whole, access.reverse));
        let (section, reverse) = (section.len(), access.reverse);
        Seeks { bucket, what, section, id_order, reverse, after, places, heads: BinaryHeap::new(), batch }
    }

    /// The next rows in order, at most so many; fewer when there are no more.
    pub(super) async fn next(&mut self, cx: &Context, limit: usize) -> Result<Vec<Candidate>> {
        if self.heads.is_empty() {
            self.fill(cx, None).await?;
        }
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(Reverse((rank, at))) = self.heads.pop() else { break };
            let Some((_, row)) = self.places[at].ready.pop_front() else { continue };
            if self.after.as_ref().is_none_or(|after| rank > *after) {
                found.push(self.candidate(at, row)?);
            }
            match self.places[at].ready.front() {
                Some((rank, _)) => self.heads.push(Reverse((rank.clone(), at))),
                None => self.fill(cx, Some(at)).await?,
            }
        }
        Ok(found)
    }

    /// Reads on: at one place, or at all that have nothing ready.
    async fn fill(&mut self, cx: &Context, only: Option<usize>) -> Result<()> {
        let order = if self.reverse { Order::Descending } else { Order::Ascending };
        let (batch, bucket) = (self.batch, self.bucket);
        let wants =
            |at: usize, s: &Seek| !s.ended && s.ready.is_empty() && only.is_none_or(|only| only == at);
        let places: Vec<_> = self.places.iter().enumerate().filter(|(at, s)| wants(*at, s)).collect();
        let reads: Vec<_> = places
            .into_iter()
            .map(|(at, s)| async move {
                let Seek { table, partition, range, .. } = s;
                let rows = bucket.driver.scan(cx, *table, partition, range, order, batch, Level::Quorum);
                Ok((at, rows.await?))
            })
            .collect();
        let read: Vec<(usize, Vec<KeyedRow>)> =
            stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await?;
        for (at, rows) in read {
            self.arrived(at, rows);
        }
        Ok(())
    }

    fn arrived(&mut self, at: usize, rows: Vec<KeyedRow>) {
        let batch = self.batch;
        let ranked: VecDeque<_> = rows.into_iter().map(|row| (self.rank(at, &row.key), row)).collect();
        let place = &mut self.places[at];
        match ranked.back() {
            Some((_, last)) if self.reverse => place.range.end = Some(last.key.clone()),
            Some((_, last)) => place.range.start = successor(&last.key),
            None => {}
        }
        place.ended = ranked.len() < batch || place.range.is_empty();
        place.ready = ranked;
        if let Some((rank, _)) = place.ready.front() {
            self.heads.push(Reverse((rank.clone(), at)));
        }
    }

    /// What rows of different places are merged by: the keys that are left, the id, the partition.
    fn rank(&self, at: usize, key: &[u8]) -> Bytes {
        let Seek { prefix, of, .. } = &self.places[at];
        let mut bytes = key.get(*prefix..).unwrap_or_default().to_vec();
        match self.what {
            What::Entries(i) if !i.local => bytes.truncate(bytes.len().saturating_sub(STAMP)),
            _ => encode::partition(&mut bytes, of.as_deref(), self.id_order),
        }
        rank(bytes, self.reverse)
    }

    fn candidate(&self, at: usize, row: KeyedRow) -> Result<Candidate> {
        let Entry { key, written, seen } = match self.what {
            What::Documents => {
                let id = keys::read_id(row.key.get(self.section..).unwrap_or_default())?;
                let key = DocumentKey { partition: self.places[at].of.clone(), id };
                Entry { key, written: Timestamp(0), seen: Record::read(&row.row)?.seen() }
            }
            What::Entries(_) => decode("index entry", &row.row.value)?,
        };
        let mut components = row.key.slice(self.section.min(row.key.len())..);
        if let What::Entries(i) = self.what {
            let mut rest = Vec::new();
            encode::id(&mut rest, &key.id, self.id_order);
            if !i.local {
                encode::partition(&mut rest, key.partition.as_deref(), self.id_order);
                rest.extend_from_slice(&[0; STAMP]);
            }
            components.truncate(components.len().saturating_sub(rest.len()));
        }
        Ok(Candidate { key, row, written, seen, components })
    }
}

fn rank(bytes: Vec<u8>, reverse: bool) -> Bytes {
    if reverse { encode::complement(&bytes) } else { bytes.into() }
}

/// The values of partitions that are read one by one.
fn partitions(access: &Access, what: What<'_>) -> Vec<Option<String>> {
    match (what, &access.partitions) {
        (What::Entries(i), _) if !i.local => vec![None],
        (_, Some(values)) => values.iter().cloned().map(Some).collect(),
        (_, None) => vec![None],
    }
}

fn place(collection: &Collection, what: What<'_>, of: Option<&str>) -> (Table, Bytes) {
    // Of documents by themselves only entries are read, which are not in their partitions.
    let any = DocumentKey { partition: of.map(str::to_owned), id: "".into() };
    match what {
        What::Documents => (Table::Documents, keys::partition(collection.def(), &any)),
        What::Entries(i) => i.partition(collection.def(), &any),
    }
}

/// Every combination of the values that the first keys may have, as bytes.
fn combinations(access: &Access, keys: &[IndexKey]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for (values, key) in access.equal.iter().zip(keys) {
        let with = |before: &Vec<u8>, v: &Scalar| {
            let mut bytes = before.clone();
            encode::value(&mut bytes, v, key.direction);
            bytes
        };
        all = all.iter().flat_map(|before| values.iter().map(move |v| with(before, v))).collect();
    }
    all
}

/// A position as bytes.
struct Beyond {
    /// Up to the id.
    entry: Vec<u8>,
    /// With the partition.
    whole: Vec<u8>,
}

impl Beyond {
    fn new(position: &Position, rest: &[IndexKey], id_order: Direction) -> Self {
        let mut entry = Vec::new();
        for (v, key) in position.keys.iter().zip(rest) {
            encode::value(&mut entry, v, key.direction);
        }
        encode::id(&mut entry, &position.key.id, id_order);
        let mut whole = entry.clone();
        encode::partition(&mut whole, position.key.partition.as_deref(), id_order);
        Beyond { entry, whole }
    }
}

/// The keys of an access at one place.
fn range(
    access: &Access,
    prefix: &[u8],
    next: Option<&IndexKey>,
    id_order: Direction,
    after: Option<&Beyond>,
) -> KeyRange {
    let (from, to) = match next {
        Some(key) => {
            let encoded = |v: &Scalar| {
                let mut bytes = Vec::new();
                encode::value(&mut bytes, v, key.direction);
                bytes
            };
            let (from, to) = &access.range;
            directed((map(from, encoded), map(to, encoded)), key.direction)
        }
        None => {
            let encoded = |id: &crate::core::document::DocumentId| {
                let mut bytes = Vec::new();
                encode::id(&mut bytes, id, id_order);
                bytes
            };
            directed((map(&access.ids.0, encoded), map(&access.ids.1, encoded)), id_order)
        }
    };
    let with = |rest: &[u8], end: &[u8]| Bytes::from([prefix, rest, end].concat());
    // What follows a value in a key never begins with 0xff.
    let mut start = match &from {
        Bound::Unbounded => with(&[], &[]),
        Bound::Included(v) => with(v, &[]),
        Bound::Excluded(v) => with(v, &[0xff]),
    };
    let mut end = match &to {
        Bound::Unbounded => with(&[], &[0xff]),
        Bound::Included(v) => with(v, &[0xff]),
        Bound::Excluded(v) => with(v, &[]),
    };
    match after {
        Some(after) if access.reverse => end = end.min(with(&after.entry, &[0xff])),
        Some(after) => start = start.max(with(&after.entry, &[])),
        None => {}
    }
    KeyRange::new(start, end)
}

fn map<T>(bound: &Bound<T>, f: impl Fn(&T) -> Vec<u8>) -> Bound<Vec<u8>> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(v) => Bound::Included(f(v)),
        Bound::Excluded(v) => Bound::Excluded(f(v)),
    }
}

/// Bounds of values as bounds of bytes.
fn directed<T>((from, to): (Bound<T>, Bound<T>), direction: Direction) -> (Bound<T>, Bound<T>) {
    match direction {
        Direction::Ascending => (from, to),
        Direction::Descending => (to, from),
    }
}
