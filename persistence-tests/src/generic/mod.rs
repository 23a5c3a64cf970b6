//! The generic suite: every store, through `dyn Persistence`; the same cases on every driver.

use crate::{Case, Fixture};

/// Every generic case.
pub fn cases() -> Vec<Case<Fixture>> {
    Vec::new()
}
