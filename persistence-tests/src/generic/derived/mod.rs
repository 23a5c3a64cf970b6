//! Stores that are made of documents.

mod metadata;
mod metadata_lost;
mod metadata_race;

use crate::{Case, Fixture};

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    [metadata::cases(), metadata_race::cases(), metadata_lost::cases()].into_iter().flatten().collect()
}
