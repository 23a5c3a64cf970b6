//! Removing what has expired.

use super::look::select;
use super::names;
use super::put::remove_all;
use super::rows::{key, key_columns, key_kinds, key_values};
use super::source::TABLE;
use crate::bucket::{Bucket, work};
use crate::core::document::Document;
use crate::core::store::SweepDocuments;
use crate::core::{Context, Outcome, Result};
use crate::tx::Tx;
use crate::value::Value;
use std::sync::Arc;

impl Bucket {
    pub(super) async fn sweep_collection(&self, cx: &Context, req: &SweepDocuments) -> Result<u64> {
        let collection = self.collection(cx, &req.collection).await?;
        let def = &collection.def;
        let before = req.before.min(self.env.clock.now());
        let sql = format!(
            "SELECT {} FROM {} WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?",
            key_columns(def).join(", "),
            names::table(&def.name)
        );
        let args = vec![before.0.into(), Value::Int(req.limit.into())];
        let rows = self.query(cx, TABLE, &sql, args, &key_kinds(def)).await?;
        let keys: Vec<_> = rows.into_iter().map(|mut row| key(def, &mut row)).collect::<Result<_>>()?;
        let mut swept = 0;
        for keys in keys.chunks(64) {
            let mut keys = keys.to_vec();
            keys.sort();
            let (keys, collection) = (Arc::new(keys), Arc::clone(&collection));
            let work = work(move |tx: &mut Tx, tried| {
                let (keys, collection) = (Arc::clone(&keys), Arc::clone(&collection));
                Box::pin(async move {
                    let (def, lock) = (&collection.def, tx.dialect.for_update);
                    let values = keys.iter().map(key_values).collect();
                    let mut found: Vec<Document> =
                        select(tx, def, values, lock, None).await?.into_iter().map(|f| f.0).collect();
                    found.retain(|d| d.is_expired(before));
                    remove_all(tx, def, &found).await?;
                    // A first try without an answer may have removed them.
                    Ok(if tried.unknown { keys.len() } else { found.len() } as u64)
                })
            });
            let done = self.write(cx, work).await;
            // What was swept before stays so.
            swept += done.map_err(|e| if swept > 0 { e.with_outcome(Outcome::MaybeApplied) } else { e })?;
        }
        Ok(swept)
    }
}
