//! A few more tries for what may succeed later.

use persistence::Result;
use std::time::Duration;

const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// Sends the same request again, with the same attempt id: what an earlier try has applied is recognised.
pub(crate) async fn again<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(e) if e.is_retryable() => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    call().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence::Error;
    use std::cell::Cell;

    #[tokio::test]
    async fn only_what_may_succeed_later_is_tried_again() {
        let tries = Cell::new(0);
        let count = |fail_until: i32, retryable: bool| {
            tries.set(tries.get() + 1);
            let done = tries.get() > fail_until;
            async move {
                match (done, retryable) {
                    (true, _) => Ok(()),
                    (false, true) => Err(Error::unavailable("test", "gone")),
                    (false, false) => Err(Error::closed("test")),
                }
            }
        };
        assert!(again(|| count(2, true)).await.is_ok());
        assert_eq!(tries.replace(0), 3);
        assert!(again(|| count(2, false)).await.is_err());
        assert_eq!(tries.get(), 1);
    }
}
