//! Panics of cases, as messages with their place.

use futures_util::FutureExt;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics inside [`catch`] are kept instead of printed; all others go to the hook that was there.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                return before(info);
            }
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
            PLACE.with_borrow_mut(|p| *p = place);
        }));
    });
}

/// Runs a future; its panic becomes an error: what was said, and where.
pub(crate) async fn catch<T>(future: impl Future<Output = T>) -> Result<T, String> {
    install();
    let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
    poll_fn(|cx| {
        // Set around every poll: between polls the thread works for others.
        let outside = INSIDE.replace(true);
        let polled = future.as_mut().poll(cx);
        INSIDE.set(outside);
        polled
    })
    .await
    .map_err(|payload| {
        let place = PLACE.take().map(|p| format!("\n  at {p}")).unwrap_or_default();
        format!("{}{place}", said(&*payload))
    })
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_message_with_its_place() {
        let caught = catch(async {
            tokio::task::yield_now().await;
            assert_eq!(1, 2, "the sum of {}", 3);
        });
        let message = caught.await.unwrap_err();
        assert!(message.contains("the sum of 3") && message.contains("guard.rs:"), "{message}");
        assert_eq!(catch(async { 7 }).await, Ok(7));
    }
}
