//! FIFO queues.

mod acks;
mod lost;
mod messages;
mod names;
mod race;

use super::crawl::{Reply, crawl};
use crate::build::queue;
use crate::{Case, Fixture};
use persistence_core::Result;
use persistence_core::store::*;

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [acks::cases(), lost::cases(), messages::cases(), names::cases(), race::cases()];
    files.into_iter().flatten().collect()
}

/// A fresh queue.
async fn created(t: &Fixture, queue_type: QueueType) -> Result<QueueKey> {
    let key = queue::key(t, queue_type);
    t.p.queues().create_queue(&t.cx(), &queue::create(&key)).await?;
    Ok(key)
}

async fn put(t: &Fixture, key: &QueueKey, texts: &[&str]) -> Result<i64> {
    t.p.queues().enqueue(&t.cx(), &queue::enqueue(key, texts)).await
}

/// Messages after an id, in pages.
async fn after(t: &Fixture, key: &QueueKey, after: Option<i64>, size: u32) -> Result<Vec<QueueMessage>> {
    let read = |page| -> Reply<'_, QueueMessage> {
        Box::pin(async move { t.p.queues().read_queue(&t.cx(), &queue::read(key, after, page)).await })
    };
    crawl(size, read).await
}

/// Every message.
async fn messages(t: &Fixture, key: &QueueKey) -> Result<Vec<QueueMessage>> {
    after(t, key, None, 1000).await
}

async fn ids(t: &Fixture, key: &QueueKey) -> Result<Vec<i64>> {
    Ok(messages(t, key).await?.iter().map(|m| m.id).collect())
}

async fn delete(t: &Fixture, key: &QueueKey, max: i64) -> Result<u64> {
    t.p.queues().range_delete_messages(&t.cx(), &queue::delete(key, max)).await
}
