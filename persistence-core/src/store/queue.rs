//! FIFO queues: messages with ids that only grow, ack levels, and DLQs.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::AttemptId;
use crate::page::{Page, PageRequest};
use crate::validate;
use serde::{Deserialize, Serialize};

/// The type of a queue: each has its own space of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueueType {
    /// Messages to be read.
    Normal,
    /// Messages that could not be handled.
    Dlq,
}

impl QueueType {
    /// Every type.
    pub const ALL: &[QueueType] = &[QueueType::Normal, QueueType::Dlq];

    /// The number stored for the type. Never reused.
    pub fn code(self) -> u8 {
        match self {
            QueueType::Normal => 1,
            QueueType::Dlq => 2,
        }
    }
}

/// A queue's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueueKey {
    /// The type.
    pub queue_type: QueueType,
    /// The name: 1 to 255 characters without U+0000, compared by exact bytes.
    pub name: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id: from 0, strictly increasing, never reused.
    pub id: i64,
    /// Its payload.
    pub payload: Blob,
}

/// A queue as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedQueue {
    /// The queue.
    pub key: QueueKey,
    /// The number of messages that are not deleted.
    pub message_count: u64,
    /// The id of the last message ever enqueued; none when there was none. Stays after deletion.
    pub last_id: Option<i64>,
}

/// The ack level of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckLevel {
    /// The consumer: 1 to 255 characters without U+0000.
    pub consumer: String,
    /// The last message id that it has handled.
    pub level: i64,
}

/// See [`QueueStore::create_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// The queue.
    pub key: QueueKey,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`QueueStore::enqueue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// The queue.
    pub key: QueueKey,
    /// The messages, in order; at least one.
    pub messages: Vec<Blob>,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`QueueStore::read_queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadQueue {
    /// The queue.
    pub key: QueueKey,
    /// Messages with larger ids only; none for all.
    pub after: Option<i64>,
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`QueueStore::update_ack_level`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateAckLevel {
    /// The queue.
    pub key: QueueKey,
    /// The consumer and its level.
    pub ack: AckLevel,
}

/// See [`QueueStore::get_ack_levels`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAckLevels {
    /// The queue.
    pub key: QueueKey,
}

/// See [`QueueStore::range_delete_messages`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeDeleteMessages {
    /// The queue.
    pub key: QueueKey,
    /// The last id to delete, inclusive; negative is `InvalidArgument`.
    pub max: i64,
}

/// See [`QueueStore::list_queues`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// The type.
    pub queue_type: QueueType,
    /// How much, and from where.
    pub page: PageRequest,
}

requests! {
    sharded: ;
    unsharded: ListQueues,
        CreateQueue => |r| validate::queue(&r.key),
        Enqueue => |r| {
            validate::queue(&r.key)?;
            validate::some("messages", &r.messages)
        },
        ReadQueue => |r| validate::queue(&r.key),
        UpdateAckLevel => |r| {
            validate::queue(&r.key)?;
            validate::name("consumer", &r.ack.consumer)
        },
        GetAckLevels => |r| validate::queue(&r.key),
        RangeDeleteMessages => |r| {
            validate::queue(&r.key)?;
            validate::message_id("max", r.max)
        },
}

store! {
    /// FIFO queues.
    ///
    /// *Key columns*: type, name (queues); those and the message id (messages); those and the consumer (ack levels).
    ///
    /// Every operation but `create_queue` and `list_queues` must return `NotFound` if there is no such queue.
    pub trait QueueStore via queues named "queue" behind a front {
        /// Creates a queue. Must return `AlreadyExists` if there is one.
        write fn create_queue(CreateQueue) -> ();

        /// Appends messages, all or none, with consecutive ids; returns the first id. Ids are never reused, also after
        /// everything was deleted.
        write fn enqueue(Enqueue) -> i64;

        /// Messages with ids larger than `after`, ascending.
        read fn read_queue(ReadQueue) -> Page<QueueMessage>;

        /// Raises a consumer's ack level; a level that is not larger changes nothing.
        idempotent fn update_ack_level(UpdateAckLevel) -> ();

        /// The ack levels, ordered by consumer (bytes).
        read fn get_ack_levels(GetAckLevels) -> Vec<AckLevel>;

        /// Deletes the messages with ids up to `max`; returns how many there were. A repeat returns 0.
        write fn range_delete_messages(RangeDeleteMessages) -> u64;

        /// The queues of a type, ordered by name (bytes).
        read fn list_queues(ListQueues) -> Page<ListedQueue>;
    }
}
