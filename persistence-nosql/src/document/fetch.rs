//! Rows from many partitions.

use super::catalogue::Collection;
use super::keys::{self, Place};
use super::record::Stored;
use crate::bucket::Bucket;
use crate::core::document::DocumentKey;
use crate::core::{Context, Result};
use crate::row::{Level, Row, RowStore, Table};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many calls of one operation are under way at once.
pub(super) const CONCURRENCY: usize = 16;

/// Rows that were asked for; those that do not exist are missing.
#[derive(Default)]
pub(super) struct Rows(HashMap<Place, Row>);

impl Rows {
    pub(super) fn at(&self, place: &Place) -> Option<&Row> {
        self.0.get(place)
    }
}

impl Bucket {
    /// The rows at these places, those of one partition together.
    pub(super) async fn fetch(
        &self,
        cx: &Context,
        places: impl IntoIterator<Item = Place>,
        level: Level,
    ) -> Result<Rows> {
        let mut by_partition: BTreeMap<(Table, Bytes), BTreeSet<Bytes>> = BTreeMap::new();
        for Place { table, partition, key } in places {
            by_partition.entry((table, partition)).or_default().insert(key);
        }
        let one = |((table, partition), keys): ((Table, Bytes), BTreeSet<Bytes>)| async move {
            let keys: Vec<Bytes> = keys.into_iter().collect();
            let rows = self.driver.get(cx, table, &partition, &keys, level).await?;
            let place = |key| Place { table, partition: partition.clone(), key };
            Ok(keys.into_iter().zip(rows).filter_map(|(k, row)| Some((place(k), row?))).collect::<Vec<_>>())
        };
        let calls: Vec<_> = by_partition.into_iter().map(one).collect();
        let found: Vec<Vec<(Place, Row)>> =
            stream::iter(calls).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(Rows(found.into_iter().flatten().collect()))
    }

    /// Documents as they are stored.
    pub(super) async fn stored(
        &self,
        cx: &Context,
        collection: &Collection,
        keys: &[DocumentKey],
        level: Level,
    ) -> Result<Vec<Option<Stored>>> {
        let places: Vec<Place> = keys.iter().map(|k| keys::document(collection.def(), k)).collect();
        let rows = self.fetch(cx, places.iter().cloned(), level).await?;
        let read = |(key, place): (&DocumentKey, &Place)| {
            rows.at(place).map(|row| Stored::read(key, row)).transpose()
        };
        keys.iter().zip(&places).map(read).collect()
    }
}
