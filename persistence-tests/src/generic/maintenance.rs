//! Scavenging and sweeping.

mod lost;
mod scavenge;
mod sweep;

use crate::{Case, Fixture};

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    [scavenge::cases(), sweep::cases(), lost::cases()].into_iter().flatten().collect()
}
