//! FIFO queues, messages, and the requests for them.

use crate::Fixture;
use persistence_core::store::*;
use persistence_core::{AttemptId, Blob, PageRequest};

/// The key of a fresh queue.
pub fn key(t: &Fixture, queue_type: QueueType) -> QueueKey {
    QueueKey { queue_type, name: t.name("queue") }
}

/// Creates a queue.
pub fn create(key: &QueueKey) -> CreateQueue {
    CreateQueue { key: key.clone(), attempt: AttemptId::new() }
}

/// A payload.
pub fn payload(text: &str) -> Blob {
    Blob::json(format!("{text:?}")).with_checksum()
}

/// Enqueues messages.
pub fn enqueue(key: &QueueKey, texts: &[&str]) -> Enqueue {
    let messages = texts.iter().map(|t| payload(t)).collect();
    Enqueue { key: key.clone(), messages, attempt: AttemptId::new() }
}

/// A message as it is read.
pub fn message(id: i64, text: &str) -> QueueMessage {
    QueueMessage { id, payload: payload(text) }
}

/// Reads messages after an id.
pub fn read(key: &QueueKey, after: Option<i64>, page: PageRequest) -> ReadQueue {
    ReadQueue { key: key.clone(), after, page }
}

/// Raises a consumer's ack level.
pub fn ack(key: &QueueKey, consumer: &str, level: i64) -> UpdateAckLevel {
    UpdateAckLevel { key: key.clone(), ack: level_of(consumer, level) }
}

/// A consumer's ack level.
pub fn level_of(consumer: &str, level: i64) -> AckLevel {
    AckLevel { consumer: consumer.to_owned(), level }
}

/// Reads the ack levels.
pub fn acks(key: &QueueKey) -> GetAckLevels {
    GetAckLevels { key: key.clone() }
}

/// Deletes messages up to an id.
pub fn delete(key: &QueueKey, max: i64) -> RangeDeleteMessages {
    RangeDeleteMessages { key: key.clone(), max }
}

/// Lists the queues of a type.
pub fn list(queue_type: QueueType, page: PageRequest) -> ListQueues {
    ListQueues { queue_type, page }
}
