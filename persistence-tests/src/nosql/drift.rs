//! Rows of documents that somebody removed or put behind the store's back: verifying tells.

use super::RowFixture;
use super::rows::Batch;
use crate::build::document::path;
use bytes::Bytes;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Capability, Env, Persistence, Result};
use persistence_nosql::row::{KeyRange, Level, Order, Row, Table};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const COLLECTION: &str = "drifted";
const NOTHING: [&str; 0] = [];

/// Where a row is.
type Place = (Table, Bytes, Bytes);
type All = BTreeMap<Place, Row>;

/// An index over many partitions, one in each, and a unique one.
fn definition() -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new(COLLECTION, IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("code", path("code"), text))
        .index(IndexDef::new("anywhere").asc("name"))
        .index(IndexDef::new("within").in_partition().asc("name"))
        .index(IndexDef::new("only").in_partition().unique().asc("code"))
}

/// The stores on the driver.
struct Under<'a> {
    t: &'a RowFixture,
    p: Arc<dyn Persistence>,
}

impl<'a> Under<'a> {
    async fn new(t: &'a RowFixture) -> Result<Self> {
        let under = Under { t, p: t.stores(Env::default()).await? };
        under.ensure(EnsureMode::Apply).await?;
        under.create("a").await?;
        under.create("b").await?;
        assert_eq!(under.verified().await?, NOTHING);
        Ok(under)
    }

    async fn ensure(&self, mode: EnsureMode) -> Result<Vec<String>> {
        let req = EnsureCollections { definitions: vec![definition()], mode };
        let done = self.p.documents().ensure_collections(&self.t.cx(), &req).await?;
        Ok(done.changes.into_iter().map(|c| c.what).collect())
    }

    async fn verified(&self) -> Result<Vec<String>> {
        self.ensure(EnsureMode::Verify).await
    }

    /// Stores a document; the rows that came with it.
    async fn create(&self, id: &str) -> Result<All> {
        let before = self.rows().await?;
        let body = json!({"project": "p", "name": format!("name {id}"), "code": format!("code {id}")});
        let write = DocumentWrite {
            collection: COLLECTION.to_owned(),
            key: DocumentKey::within("p", id),
            pre: Pre::Absent,
            action: Action::Put { body, expires: None },
        };
        let req = WriteDocuments { writes: vec![write], attempt: AttemptId::new() };
        self.p.documents().write_documents(&self.t.cx(), &req).await?;
        let after = self.rows().await?;
        Ok(after.into_iter().filter(|(place, _)| !before.contains_key(place)).collect())
    }

    /// Every row of documents that there is.
    async fn rows(&self) -> Result<All> {
        let mut all = All::new();
        for table in [Table::Documents, Table::DocumentIndex] {
            for partition in self.t.store.partitions(table, None, 1000).await? {
                let (range, cx) = (KeyRange::all(), self.t.cx());
                let order = Order::Ascending;
                let rows =
                    self.t.store.scan(&cx, table, &partition, &range, order, 1000, Level::Serial).await?;
                all.extend(rows.into_iter().map(|r| ((table, partition.clone(), r.key), r.row)));
            }
        }
        Ok(all)
    }

    // Rows of documents are written on conditions, as the stores do: those of one partition are then in one order.
    async fn put(&self, (table, partition, key): &Place, there: bool, row: &Row) {
        let put = Batch::on(*table, partition).put(key, &row.guard, &row.value);
        self.t
            .apply(match (table, there) {
                (Table::DocumentIndex, _) => put,
                (_, true) => put.if_present(key),
                (_, false) => put.if_absent(key),
            })
            .await;
    }

    async fn delete(&self, (table, partition, key): &Place) {
        let delete = Batch::on(*table, partition).delete(key);
        let delete = if *table == Table::Documents { delete.if_present(key) } else { delete };
        self.t.apply(delete).await;
    }
}

/// A document's own row has a guard; all others are of indexes: an entry in each, and what the unique one keeps.
fn split(rows: &All) -> (&Place, Vec<&Place>) {
    let (documents, others): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, row)| !row.guard.is_empty());
    assert_eq!((documents.len(), others.len()), (1, 4), "{rows:?}");
    (documents[0].0, others.into_iter().map(|(place, _)| place).collect())
}

fn sorted(mut told: Vec<String>) -> Vec<String> {
    told.sort();
    told
}

crate::cases! {
    fixture: RowFixture;
    group: "drift";

    /// A row of an index that is gone is told, of every index, and nothing any more when it is back.
    #[covers("row.write", "row.scan")]
    #[isolation(Own)]
    async fn a_row_that_is_gone_is_told(t) {
        let under = Under::new(t).await?;
        let rows = under.create("c").await?;
        let mut told = Vec::new();
        for place in split(&rows).1 {
            under.delete(place).await;
            told.extend(under.verified().await?);
            under.put(place, false, &rows[place]).await;
            assert_eq!(under.verified().await?, NOTHING);
        }
        let lacks = |index| format!("index {index} lacks 1 entries");
        assert_eq!(sorted(told), ["anywhere", "only", "only", "within"].map(lacks));
        under.p.close().await?;
    }

    /// Rows of indexes whose document is gone are told, also the row that keeps a unique key from being taken. Not where an entry over many
    /// partitions is written before its document: one of nothing is no fault then.
    #[covers("row.write", "row.scan")]
    #[isolation(Own)]
    async fn a_row_of_nothing_is_told(t) {
        let under = Under::new(t).await?;
        let rows = under.create("c").await?;
        let (document, others) = split(&rows);
        under.delete(document).await;
        let told = under.verified().await?;
        let has = |(index, n): (&str, u64)| format!("index {index} has {n} entries of no document");
        let (all, local) = ([("anywhere", 1), ("only", 2), ("within", 1)], [("only", 2), ("within", 1)]);
        if t.has(Capability::CrossPartition) {
            assert_eq!(sorted(told), all.map(has));
        } else {
            assert_eq!(sorted(told), local.map(has));
        }
        for place in others {
            under.delete(place).await;
        }
        assert_eq!(under.verified().await?, NOTHING);
        under.p.close().await?;
    }

    /// A row of a unique index that names another document is told: as missing of the one, and as that of nothing.
    #[covers("row.write", "row.scan")]
    #[isolation(Own)]
    async fn a_row_of_another_document_is_told(t) {
        let under = Under::new(t).await?;
        let (one, other) = (under.create("c").await?, under.create("d").await?);
        // A row of a unique index has nothing but a document's key.
        let shortest = |rows: &All| {
            let others = split(rows).1.into_iter().filter(|place| place.0 == Table::Documents);
            others.min_by_key(|place| rows[*place].value.len()).unwrap().clone()
        };
        let (mine, yours) = (shortest(&one), shortest(&other));
        under.put(&mine, true, &other[&yours]).await;
        let told = ["index only has 1 entries of no document", "index only lacks 1 entries"];
        assert_eq!(sorted(under.verified().await?), told);
        under.put(&mine, true, &one[&mine]).await;
        assert_eq!(under.verified().await?, NOTHING);
        under.p.close().await?;
    }
}
