//! Endpoints, and the requests for them.

use super::record::blob;
use persistence_core::store::*;
use persistence_core::{AttemptId, EndpointId, PageRequest};

/// Creates or changes an endpoint.
pub fn put(id: EndpointId, expected_version: i64, expected_table_version: i64) -> PutEndpoint {
    PutEndpoint {
        id,
        data: blob("endpoint"),
        expected_version,
        expected_table_version,
        attempt: AttemptId::new(),
    }
}

/// Deletes an endpoint.
pub fn delete(id: EndpointId, expected_table_version: i64) -> DeleteEndpoint {
    DeleteEndpoint { id, expected_table_version, attempt: AttemptId::new() }
}

/// Lists endpoints of any table version.
pub fn list(page: PageRequest) -> ListEndpoints {
    ListEndpoints { page, expected_table_version: None }
}
