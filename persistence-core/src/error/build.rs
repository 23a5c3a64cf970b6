//! Short constructors, so that a call site names the failure and nothing else.

use super::detail::Missing;
use super::{Detail, Error};
use crate::capability::Capability;

impl Error {
    /// `InvalidArgument`: a field and the rule that it breaks.
    pub fn invalid(field: &'static str, rule: impl Into<String>) -> Self {
        Error::new(Detail::InvalidArgument { field, rule: rule.into() })
    }

    /// `InvalidToken`: a token that is damaged or belongs elsewhere.
    pub fn invalid_token(field: &'static str, rule: impl Into<String>) -> Self {
        Error::new(Detail::InvalidToken { field, rule: rule.into() })
    }

    /// `NotFound`.
    pub fn not_found(entity: &'static str, key: impl Into<String>) -> Self {
        Error::new(Detail::NotFound { entity, key: key.into() })
    }

    /// `AlreadyExists`, found by the entity's own key.
    pub fn already_exists(entity: &'static str, key: impl Into<String>) -> Self {
        Error::new(Detail::AlreadyExists { entity, key: key.into(), index: None })
    }

    /// `ConditionFailed`: a compare-and-set that found another version.
    pub fn condition_failed(entity: impl Into<String>, expected: Option<i64>, actual: Option<i64>) -> Self {
        Error::new(Detail::ConditionFailed { entity: entity.into(), expected, actual })
    }

    /// `TooLarge`; sizes in bytes.
    pub fn too_large(what: &'static str, size: u64, limit: u64) -> Self {
        Error::new(Detail::TooLarge { what, size, limit })
    }

    /// `Timeout`; `MaybeApplied` unless [`Error::with_outcome`] says otherwise.
    pub fn timeout(operation: impl Into<String>) -> Self {
        Error::new(Detail::Timeout { operation: operation.into() })
    }

    /// `Unavailable`; `MaybeApplied` unless [`Error::with_outcome`] says otherwise.
    pub fn unavailable(operation: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::new(Detail::Unavailable { operation: operation.into(), reason: reason.into() })
    }

    /// `Locked`: another process holds the resource.
    pub fn locked(resource: impl Into<String>) -> Self {
        Error::new(Detail::Locked { resource: resource.into() })
    }

    /// `Closed`: the handle was closed.
    pub fn closed(resource: impl Into<String>) -> Self {
        Error::new(Detail::Closed { resource: resource.into() })
    }

    /// `Aborted`: the caller's own code refused.
    pub fn aborted(reason: impl Into<String>) -> Self {
        Error::new(Detail::Aborted { reason: reason.into() })
    }

    /// `Corrupted`: stored data is damaged.
    pub fn corrupted(entity: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::new(Detail::Corrupted { entity: entity.into(), problem: problem.into() })
    }

    /// `Unsupported`: the driver does not declare the capability.
    pub fn unsupported(capability: Capability, driver: impl Into<String>) -> Self {
        Error::new(Detail::Unsupported { capability: Missing::Capability(capability), driver: driver.into() })
    }

    /// `Unsupported`: a driver primitive that is not written yet.
    pub fn unsupported_primitive(primitive: &'static str, driver: impl Into<String>) -> Self {
        Error::new(Detail::Unsupported { capability: Missing::Primitive(primitive), driver: driver.into() })
    }
}
