//! Many things at once, answers in order.

use anyhow::{Result, anyhow};
use std::future::Future;
use tokio::task::JoinSet;

/// Does `work` for each of `count` indexes, at most `concurrency` at a time. The answers are in the order of the indexes; a
/// panic is the error of its index.
pub(crate) async fn each<T, F>(count: usize, concurrency: usize, work: impl Fn(usize) -> F) -> Vec<Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut answers: Vec<Result<T>> = Vec::new();
    answers.resize_with(count, || Err(anyhow!("not done: an internal error")));
    let mut running = JoinSet::new();
    for index in 0..count {
        if running.len() >= concurrency.max(1) {
            note(running.join_next().await, &mut answers);
        }
        let work = work(index);
        running.spawn(async move { (index, work.await) });
    }
    while !running.is_empty() {
        note(running.join_next().await, &mut answers);
    }
    answers
}

fn note<T>(joined: Option<Result<(usize, Result<T>), tokio::task::JoinError>>, answers: &mut [Result<T>]) {
    if let Some(Ok((index, answer))) = joined {
        answers[index] = answer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn answers_are_in_order_and_no_more_than_asked_run_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let answers = each(20, 3, |index| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(u64::try_from(index % 3)?)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                if index == 7 { Err(anyhow!("seven")) } else { Ok(index) }
            }
        })
        .await;
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 19);
        assert!(answers.iter().enumerate().all(|(i, a)| a.as_ref().map_or(i == 7, |n| *n == i)));
    }
}
