//! Endpoints: where calls to other namespaces and clusters go.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, EndpointId};
use crate::page::{PageRequest, PageToken};

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its version: 1 when it is created, one more with every change.
    pub version: i64,
    /// What it is.
    pub data: Blob,
}

/// The versions after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointVersions {
    /// Of all endpoints.
    pub table_version: i64,
    /// Of the one that was changed.
    pub version: i64,
}

/// One page of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPage {
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Where the next page begins; none when there is nothing more.
    pub next: Option<PageToken>,
    /// The table version before the page was read: the page has every change that it counts.
    pub table_version: i64,
}

/// See [`EndpointStore::put_endpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutEndpoint {
    /// The endpoint.
    pub id: EndpointId,
    /// What it is from now on.
    pub data: Blob,
    /// The version that it has; 0 if there is to be none.
    pub expected_version: i64,
    /// The version of all endpoints that the caller knows; 0 before the first change.
    pub expected_table_version: i64,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`EndpointStore::delete_endpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteEndpoint {
    /// The endpoint.
    pub id: EndpointId,
    /// The version of all endpoints that the caller knows.
    pub expected_table_version: i64,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`EndpointStore::get_endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetEndpoint {
    /// The endpoint.
    pub id: EndpointId,
}

/// See [`EndpointStore::list_endpoints`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEndpoints {
    /// How much, and from where.
    pub page: PageRequest,
    /// The version of all endpoints that the pages must be of; none for any.
    pub expected_table_version: Option<i64>,
}

/// See [`EndpointStore::get_table_version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetEndpointTableVersion {}

requests! {
    sharded: ;
    unsharded: PutEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, GetEndpointTableVersion
}

store! {
    /// Endpoints, and a table version for all of them, which every change names and takes.
    pub trait EndpointStore via endpoints named "endpoint" {
        /// Creates an endpoint or changes it. Must return `ConditionFailed`, with the stored one, if the table version is not the
        /// expected one, then if the endpoint's is not.
        write fn put_endpoint(PutEndpoint) -> EndpointVersions;

        /// Removes an endpoint, and returns the table version. Must return `ConditionFailed`, with the stored one, if the table
        /// version is not the expected one; then `NotFound` if there is no such endpoint.
        write fn delete_endpoint(DeleteEndpoint) -> i64;

        /// An endpoint. Must return `NotFound` if there is none.
        read fn get_endpoint(GetEndpoint) -> Endpoint;

        /// The endpoints, ordered by id (bytes). Must return `ConditionFailed`, with the stored one, if a table version is
        /// expected and is not that of the page.
        read fn list_endpoints(ListEndpoints) -> EndpointPage;

        /// The table version: how many changes there were.
        read fn get_table_version(GetEndpointTableVersion) -> i64;
    }
}
