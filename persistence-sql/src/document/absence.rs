//! Documents that are not there, where a write rests on that and does not store them: an absent row cannot be locked, so whoever
//! relies on it excludes all that might insert into the collections, until its transaction ends.
//!
//! On PostgreSQL by an advisory lock of the collection, which those who insert share as part of their look. A lock of the table
//! would wait for an index that is being built, and all writers behind it. On MySQL by the catalogue's rows, which every writer
//! shares. SQLite has one writer.

use super::names;
use super::write::Call;
use crate::core::Result;
use crate::core::document::CollectionDef;
use crate::core::document::write::{Action, DocumentWrite, Pre};
use crate::dialect::Json;
use crate::tx::Tx;
use crate::value::{Kind, Value};
use std::collections::BTreeMap;

/// Of PostgreSQL. A statement of its own, so that the look after it sees what those wrote for whom it waited.
const EXCLUDE: &str = "SELECT 1::bigint FROM pg_advisory_xact_lock(?)";

/// Of PostgreSQL: a condition that is met once, before any row is looked at.
pub(super) const SHARE: &str = " AND (SELECT 1 FROM pg_advisory_xact_lock_shared(?)) = 1";

/// The lock of a collection.
pub(super) fn lock_of(tx: &Tx, def: &CollectionDef) -> Value {
    let table = tx.naming.qualified(&names::table(&def.name));
    Value::Int(names::number(&format!("absences of {table}")))
}

/// Whether a write inserts its document where there is none.
pub(super) fn inserts(write: &DocumentWrite) -> bool {
    matches!(write.pre, Pre::None | Pre::Absent) && matches!(write.action, Action::Put { .. })
}

/// Whether a write is done, and stores nothing, where its document is not there.
pub(super) fn rests_on_absence(write: &DocumentWrite) -> bool {
    match write.action {
        Action::Put { .. } => false,
        Action::Check => matches!(write.pre, Pre::Absent),
        _ => matches!(write.pre, Pre::None | Pre::Absent),
    }
}

impl Call {
    /// Whether it is known before the look that an absence counts. A single one is true at the moment of the look.
    pub(super) fn requires_absence(&self) -> bool {
        self.writes.len() > 1
            && self.writes.iter().any(|w| matches!(w.pre, Pre::Absent) && rests_on_absence(w))
    }

    /// Excludes those who insert, in the order of the collections' names. On MySQL the look at the catalogue has done so.
    pub(super) async fn exclude(&self, tx: &mut Tx) -> Result<()> {
        if tx.dialect.json != Json::Postgres {
            return Ok(());
        }
        let defs: BTreeMap<&str, &CollectionDef> =
            (0..self.writes.len()).map(|i| (&*self.writes[i].collection, self.def(i))).collect();
        for def in defs.into_values() {
            tx.query("lock", EXCLUDE, vec![lock_of(tx, def)], &[Kind::Int]).await?;
        }
        Ok(())
    }
}
