//! Comparing what no plan compares: the table itself, and the tables of entries with the documents, page by page, each of one moment:
//! others may write meanwhile.

use super::ddl::Ddl;
use super::ensure::Plan;
use super::inspect::Real;
use super::look::select;
use super::made::PRIMARY;
use super::order::{Ordered, beyond, beyond_values, ordered};
use super::rows::{self, document, key_columns, key_kinds, key_values, kind_of, kinds};
use super::source::TABLE;
use super::{entries, names};
use crate::core::Result;
use crate::core::document::{CollectionDef, Document, IndexDef};
use crate::core::store::CollectionChange;
use crate::tx::Tx;
use crate::value::{Kind, Value};

/// The most rows of a page.
const PAGE: usize = 200;

/// What is wrong with a table that no ensuring repairs, in words: documents are in it.
pub(super) fn table(def: &CollectionDef, real: &Real) -> Vec<CollectionChange> {
    let (made, declared) = (&real.made, &real.declared);
    let computed = |name: &&String| name.starts_with(names::COLUMN);
    let columns = declared.columns.keys().filter(|name| !computed(name));
    let wrong = columns.filter(|name| made.columns.get(*name) != declared.columns.get(*name));
    let mut what: Vec<String> = wrong.map(|name| format!("the column {name}")).collect();
    if made.indexes.get(PRIMARY) != declared.indexes.get(PRIMARY) {
        what.push("the primary key".to_owned());
    }
    let change = |what| CollectionChange {
        collection: def.name.clone(),
        what: format!(
            "{what} is not as it was made: export the documents and import them into a new collection"
        ),
    };
    what.into_iter().map(change).collect()
}

/// What is wrong with the tables of entries that are there and whole, in words.
pub(super) async fn entries(tx: &mut Tx, def: &CollectionDef, plan: &Plan) -> Result<Vec<CollectionChange>> {
    let mut what = Vec::new();
    let built = |index: &&IndexDef| {
        let name = names::entries(def, index);
        plan.table.is_none() && !plan.entries.iter().any(|(_, building, _)| *building == name)
    };
    for index in entries::tables(tx.dialect.json, def).filter(built) {
        let (missing, stray) = (missing(tx, def, index).await?, stray(tx, def, index).await?);
        if missing > 0 {
            what.push(format!("index {} lacks {missing} entries", index.name));
        }
        if stray > 0 {
            what.push(format!("index {} has {stray} entries of no document", index.name));
        }
    }
    let change = |what| CollectionChange { collection: def.name.clone(), what };
    Ok(what.into_iter().map(change).collect())
}

/// Reads in one snapshot.
async fn at_one_moment<T>(tx: &mut Tx, read: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T> {
    tx.conn.begin(false).await?;
    let found = read(tx).await;
    // There is nothing to commit.
    let ended = tx.conn.rollback().await;
    let found = found?;
    ended.map(|()| found)
}

/// How many entries documents should have and have not.
async fn missing(tx: &mut Tx, def: &CollectionDef, index: &IndexDef) -> Result<usize> {
    let columns = key_columns(def).iter().map(|c| Ordered { column: (*c).to_owned(), descending: false });
    let order: Vec<Ordered> = columns.collect();
    let (mut after, mut missing) = (None, 0);
    loop {
        let (page, lacking) = at_one_moment(tx, async |tx| {
            let page = documents(tx, def, &order, after.as_ref()).await?;
            let lacking = lacking(tx, def, index, &page).await?;
            Ok((page, lacking))
        })
        .await?;
        missing += lacking;
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(missing),
        }
    }
}

async fn documents(
    tx: &mut Tx,
    def: &CollectionDef,
    order: &[Ordered],
    after: Option<&Document>,
) -> Result<Vec<Document>> {
    let args = after.map(|d| beyond_values(&key_values(&d.key))).unwrap_or_default();
    let columns = rows::columns(tx.dialect.json, def);
    let sql = page(&columns, &names::table(&def.name), after.is_some(), order);
    let found = tx.query(TABLE, &sql, args, &kinds(def)).await?;
    found.into_iter().map(|mut row| document(def, &mut row)).collect()
}

async fn lacking(tx: &mut Tx, def: &CollectionDef, index: &IndexDef, page: &[Document]) -> Result<usize> {
    let wanted: Vec<_> = page.iter().flat_map(|d| entries::rows(def, index, Some(d))).collect();
    let all = wanted.len();
    Ok(all - entries::found(tx, def, index, wanted).await?)
}

/// How many entries there are that no document has.
async fn stray(tx: &mut Tx, def: &CollectionDef, index: &IndexDef) -> Result<usize> {
    let order = Ddl { json: tx.dialect.json, naming: &tx.naming, def }.entry_order(index);
    let (mut after, mut stray) = (None, 0);
    loop {
        let (page, strays) = at_one_moment(tx, async |tx| {
            let page = some_entries(tx, def, index, &order, after.as_ref()).await?;
            let strays = without_document(tx, def, index, &page).await?;
            Ok((page, strays))
        })
        .await?;
        stray += strays;
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(stray),
        }
    }
}

async fn some_entries(
    tx: &mut Tx,
    def: &CollectionDef,
    index: &IndexDef,
    order: &[Ordered],
    after: Option<&Vec<Value>>,
) -> Result<Vec<Vec<Value>>> {
    let columns = entries::columns(def, index);
    let attributes = index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute));
    let kinds: Vec<Kind> = key_kinds(def).into_iter().chain(attributes.map(|a| kind_of(a.ty))).collect();
    let args = after.map(|row| {
        let place = |o: &Ordered| columns.iter().position(|c| *c == o.column);
        let position: Vec<Value> = order.iter().filter_map(|o| Some(row[place(o)?].clone())).collect();
        beyond_values(&position)
    });
    let args = args.unwrap_or_default();
    let sql = page(&columns.join(", "), &names::entries(def, index), after.is_some(), order);
    Ok(tx.query(TABLE, &sql, args, &kinds).await?.into_iter().map(crate::value::SqlRow::values).collect())
}

async fn without_document(
    tx: &mut Tx,
    def: &CollectionDef,
    index: &IndexDef,
    page: &[Vec<Value>],
) -> Result<usize> {
    let key = key_columns(def).len();
    let mut keys: Vec<Vec<Value>> = Vec::new();
    for row in page {
        if !keys.iter().any(|k| k[..] == row[..key]) {
            keys.push(row[..key].to_vec());
        }
    }
    let found = select(tx, def, keys, "", None).await?;
    let wanted: Vec<_> = found.iter().flat_map(|(d, _)| entries::rows(def, index, Some(d))).collect();
    Ok(page.iter().filter(|row| !wanted.contains(row)).count())
}

fn page(columns: &str, table: &str, goes_on: bool, order: &[Ordered]) -> String {
    let beyond = if goes_on { format!(" WHERE {}", beyond(order, false)) } else { String::new() };
    format!("SELECT {columns} FROM {table}{beyond}{} LIMIT {PAGE}", ordered(order, |o, _| o.column.clone()))
}
