//! A deadline for calls that come without one.

use super::{Call, Effect, Layer, Op};
use crate::context::Context;
use crate::error::{Error, Outcome, Result};
use std::time::Duration;

/// Gives every call a deadline this far away, unless it has an earlier one, and answers `Timeout` when it passes.
///
/// A write that timed out is `MaybeApplied`: it goes on in the store's own task.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Duration);

impl Layer for Deadline {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> Result<T> {
        let cx = cx.clone().with_timeout(self.0);
        let left = cx.remaining(self.0);
        match tokio::time::timeout(left, call(cx)).await {
            Ok(result) => result,
            Err(_) => {
                let outcome =
                    if op.effect == Effect::Read { Outcome::NotApplied } else { Outcome::MaybeApplied };
                Err(Error::timeout(op.name).with_outcome(outcome))
            }
        }
    }
}
