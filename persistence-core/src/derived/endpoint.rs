//! Endpoints: a document each, and the table version in the same partition.

use super::Derived;
use super::encoding::blob;
use super::family::{Held, Stored, at_version, collection, counter, delete, put};
use crate::blob::Blob;
use crate::context::Context;
use crate::document::{CollectionDef, DocumentKey, Filter, IdKind};
use crate::error::{Error, Result};
use crate::ids::EndpointId;
use crate::store::*;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(super) const GROUP: &str = "sys_endpoint";
const ENTITY: &str = "endpoint";

pub(super) fn definitions() -> Vec<CollectionDef> {
    vec![collection::<StoredEndpoint>(IdKind::Uuid).in_one_partition().group(GROUP), counter(GROUP)]
}

/// An endpoint as it is stored; its version is the document's.
#[derive(Serialize, Deserialize)]
struct StoredEndpoint {
    id: EndpointId,
    #[serde(with = "blob")]
    data: Blob,
}

impl Stored for StoredEndpoint {
    const COLLECTION: &'static str = GROUP;
    const ENTITY: &'static str = ENTITY;
}

fn key(id: EndpointId) -> DocumentKey {
    DocumentKey::new(id.0)
}

fn read(held: Held<StoredEndpoint>) -> Result<Endpoint> {
    let Held { value: StoredEndpoint { id, data }, version } = held;
    data.verify(ENTITY)?;
    Ok(Endpoint { id, version, data })
}

fn missing(id: EndpointId) -> Error {
    Error::not_found(ENTITY, id.to_string())
}

fn same(entity: impl Into<String>, expected: i64, actual: Option<i64>) -> Result<()> {
    match actual.unwrap_or_default() == expected {
        true => Ok(()),
        false => Err(Error::condition_failed(entity, Some(expected), actual)),
    }
}

impl Derived {
    /// The table version, which must be this one. It is looked at after the endpoint: versions only grow, so that an endpoint that
    /// was read before is that of this version, and a caller who comes too late is told the table's version whatever else changed.
    async fn table(&self, cx: &Context, expected: i64) -> Result<()> {
        same("endpoint table", expected, Some(self.endpoint.version(cx).await?))
    }

    async fn stored_endpoint(&self, cx: &Context, id: EndpointId) -> Result<Option<Held<StoredEndpoint>>> {
        self.endpoint.get(cx, key(id)).await
    }
}

#[async_trait]
impl EndpointStore for Derived {
    async fn put_endpoint(&self, cx: &Context, req: &PutEndpoint) -> Result<EndpointVersions> {
        let table = req.expected_table_version;
        let mut tries = self.endpoint.tries();
        loop {
            let held = self.stored_endpoint(cx, req.id).await?;
            self.table(cx, table).await?;
            same(format!("{ENTITY} {}", req.id), req.expected_version, held.map(|h| h.version))?;
            let new = StoredEndpoint { id: req.id, data: req.data.clone() };
            let change = put(key(req.id), &new, at_version(req.expected_version), None)?;
            let writes = vec![self.endpoint.count(table)?, change];
            if self.endpoint.write(cx, &mut tries, writes, req.attempt).await?.is_some() {
                return Ok(EndpointVersions { table_version: table + 1, version: req.expected_version + 1 });
            }
        }
    }

    async fn delete_endpoint(&self, cx: &Context, req: &DeleteEndpoint) -> Result<i64> {
        let table = req.expected_table_version;
        let mut tries = self.endpoint.tries();
        loop {
            let held = self.stored_endpoint(cx, req.id).await?;
            self.table(cx, table).await?;
            let held = held.ok_or_else(|| missing(req.id))?;
            let change = delete::<StoredEndpoint>(key(req.id), at_version(held.version));
            let writes = vec![self.endpoint.count(table)?, change];
            if self.endpoint.write(cx, &mut tries, writes, req.attempt).await?.is_some() {
                return Ok(table + 1);
            }
        }
    }

    async fn get_endpoint(&self, cx: &Context, req: &GetEndpoint) -> Result<Endpoint> {
        read(self.stored_endpoint(cx, req.id).await?.ok_or_else(|| missing(req.id))?)
    }

    async fn list_endpoints(&self, cx: &Context, req: &ListEndpoints) -> Result<EndpointPage> {
        let table_version = self.endpoint.version(cx).await?;
        let query = FindDocuments::new(GROUP, Filter::everything(), 1);
        let query = FindDocuments { page: req.page.clone(), ..query };
        let page = self.endpoint.find(cx, &query).await?;
        if let Some(expected) = req.expected_table_version {
            // Versions only grow: what it is afterwards it was while the page was read.
            self.table(cx, expected).await?;
        }
        let endpoints = page.items.into_iter().map(read).collect::<Result<_>>()?;
        Ok(EndpointPage { endpoints, next: page.next, table_version })
    }

    async fn get_table_version(&self, cx: &Context, _: &GetEndpointTableVersion) -> Result<i64> {
        self.endpoint.version(cx).await
    }
}
