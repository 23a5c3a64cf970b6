//! How a row lies in its keyspace: `length of partition, partition, key` → `version, length of guard, guard, value`.

use bytes::Bytes;
use persistence_nosql::core::{Error, Result};
use persistence_nosql::row::{KeyRange, Row, Table};
use std::ops::Bound;

/// The version of the layout of keys and values, and of what else is stored. Each value begins with it.
pub(crate) const FORMAT: u8 = 1;

/// The bytes before the partition.
const LENGTH: usize = 2;

/// The length in front makes the boundary unambiguous without escaping, so the keys of a partition keep their order and
/// lie together. Partitions are ordered by length first, which nobody asks for otherwise.
fn prefix(partition: &[u8], room: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(LENGTH + partition.len() + room);
    // Never cut off: `check::key` comes before, and MAX_KEY is far below 65,536.
    key.extend_from_slice(&u16::try_from(partition.len()).unwrap_or(u16::MAX).to_be_bytes());
    key.extend_from_slice(partition);
    key
}

/// The key of a row.
pub(crate) fn encode(partition: &[u8], key: &[u8]) -> Bytes {
    let mut full = prefix(partition, key.len());
    full.extend_from_slice(key);
    full.into()
}

/// The first key after every key of the partition.
pub(crate) fn after_partition(partition: &[u8]) -> Vec<u8> {
    let mut end = prefix(partition, 0);
    // The length's first byte is never 0xff, so there always is a byte to count up.
    while end.pop_if(|byte| *byte == 0xff).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A range of full keys.
pub(crate) type Bounds = (Bound<Bytes>, Bound<Bytes>);

/// The full keys of a range, which must not be empty.
pub(crate) fn bounds(partition: &[u8], range: &KeyRange) -> Bounds {
    let end = match &range.end {
        Some(end) => encode(partition, end),
        None => after_partition(partition).into(),
    };
    (Bound::Included(encode(partition, &range.start)), Bound::Excluded(end))
}

/// The partition and the key of a full key.
pub(crate) fn decode(table: Table, full: &Bytes) -> Result<(Bytes, Bytes)> {
    let length = full.first_chunk::<LENGTH>().map(|l| LENGTH + usize::from(u16::from_be_bytes(*l)));
    match length {
        Some(at) if at > LENGTH && at < full.len() => Ok((full.slice(LENGTH..at), full.slice(at..))),
        _ => Err(damaged(table, "a key is cut off")),
    }
}

/// The stored form of a row.
pub(crate) fn encode_row(row: &Row) -> Bytes {
    let mut bytes = Vec::with_capacity(2 + row.guard.len() + row.value.len());
    // `check::write` comes before, and MAX_GUARD is below 256.
    bytes.extend_from_slice(&[FORMAT, u8::try_from(row.guard.len()).unwrap_or(u8::MAX)]);
    bytes.extend_from_slice(&row.guard);
    bytes.extend_from_slice(&row.value);
    bytes.into()
}

/// The row of a stored form, sharing its memory.
pub(crate) fn decode_row(table: Table, bytes: &Bytes) -> Result<Row> {
    match bytes.first_chunk::<2>().map(|[format, guard]| (*format, 2 + usize::from(*guard))) {
        Some((FORMAT, at)) if at <= bytes.len() => {
            Ok(Row { guard: bytes.slice(2..at), value: bytes.slice(at..) })
        }
        Some((FORMAT, _)) | None => Err(damaged(table, "a value is cut off")),
        Some((format, _)) => Err(damaged(table, format!("a value has the unknown format {format}"))),
    }
}

fn damaged(table: Table, problem: impl Into<String>) -> Error {
    Error::corrupted(format!("a row of table {}", table.name()), problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence_nosql::row::MAX_KEY;
    use std::collections::BTreeSet;
    use std::ops::RangeBounds;

    fn tricky() -> Vec<Vec<u8>> {
        let parts: [&[u8]; 8] = [b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a\0b", b"\xff", b"\xff\xff\xff"];
        parts.iter().map(|p| p.to_vec()).chain([vec![0xff; MAX_KEY], vec![7; 255], vec![7; 256]]).collect()
    }

    #[test]
    fn keys_are_unambiguous_ordered_and_come_back() {
        let mut seen = BTreeSet::new();
        for partition in tricky() {
            let all = bounds(&partition, &KeyRange::all());
            let mut keys = tricky();
            keys.sort();
            let full: Vec<Bytes> = keys.iter().map(|k| encode(&partition, k)).collect();
            assert!(full.is_sorted());
            for (full, key) in full.iter().zip(&keys) {
                assert!(seen.insert(full.clone()), "two rows with one key");
                assert!(all.contains(full));
                let (p, k) = decode(Table::Shard, full).unwrap();
                assert_eq!((&*p, &*k), (&*partition, &**key));
            }
            for other in tricky().iter().filter(|o| **o != partition) {
                assert!(tricky().iter().all(|k| !all.contains(&encode(other, k))));
            }
        }
    }

    #[test]
    fn rows_come_back_and_damage_is_told() {
        let row = Row { guard: Bytes::from_static(b"g"), value: Bytes::from_static(b"") };
        let bytes = encode_row(&row);
        assert_eq!(decode_row(Table::Shard, &bytes).unwrap(), row);
        assert!(decode_row(Table::Shard, &Bytes::new()).is_err());
        assert!(decode_row(Table::Shard, &bytes.slice(..2)).is_err());
        assert!(decode_row(Table::Shard, &Bytes::from_static(&[2, 0])).is_err());
        assert!(decode(Table::Shard, &Bytes::from_static(b"\0\x05abc")).is_err());
    }
}
