//! The rules that need no database: checked before any I/O, on every driver alike.

use crate::document::CollectionDef;
use crate::document::definition::identifier;
use crate::document::write::DocumentWrite;
use crate::error::{Error, Result};
use crate::ids::{Archetype, ShardId};
use crate::store::{
    CurrentKey, NodeHeader, QueueKey, RunKey, TaskCategory, TaskCategoryKind, TaskKey, TaskPosition,
    TaskQueueKey,
};
use crate::time::Timestamp;
use crate::transition::TransitionPlan;
use std::collections::{BTreeSet, HashSet};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 255;

/// A name that the caller picks: 1 to 255 characters without U+0000. Bytes are compared exactly.
pub fn name(field: &'static str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    if name.contains('\0') {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    // No string has more characters than bytes: most names need no count.
    if name.len() > MAX_NAME_CHARS && name.chars().count() > MAX_NAME_CHARS {
        return Err(Error::invalid(field, format!("must have at most {MAX_NAME_CHARS} characters")));
    }
    Ok(())
}

/// Shards are numbered from 1.
pub fn shard(shard_id: ShardId) -> Result<()> {
    if shard_id.0 < 1 { Err(Error::invalid("shard_id", "must be at least 1")) } else { Ok(()) }
}

/// An archetype must be stated.
pub fn archetype(archetype: Archetype) -> Result<()> {
    if archetype == Archetype::UNSPECIFIED {
        Err(Error::invalid("archetype", "must be specified"))
    } else {
        Ok(())
    }
}

/// The key of a run.
pub fn run_key(run: &RunKey) -> Result<()> {
    name("workflow_id", &run.workflow_id)
}

/// The key of a current record.
pub fn current_key(key: &CurrentKey) -> Result<()> {
    name("workflow_id", &key.workflow_id)?;
    archetype(key.archetype)
}

/// The key of a task queue.
pub fn task_queue(key: &TaskQueueKey) -> Result<()> {
    name("task_queue.name", &key.name)
}

/// The key of a queue.
pub fn queue(key: &QueueKey) -> Result<()> {
    name("queue.name", &key.name)
}

/// Subqueues are numbered from 0.
pub fn subqueue(subqueue: i32) -> Result<()> {
    if subqueue < 0 { Err(Error::invalid("subqueue", "must not be negative")) } else { Ok(()) }
}

/// The pass of a task is 0 in a classic queue and from 1 in a fair one.
pub fn pass(position: TaskPosition) -> Result<()> {
    if position.pass < 0 { Err(Error::invalid("position.pass", "must not be negative")) } else { Ok(()) }
}

/// A limit lets something through.
pub fn limit(limit: u32) -> Result<()> {
    if limit == 0 { Err(Error::invalid("limit", "must be at least 1")) } else { Ok(()) }
}

/// What is to be written is something.
pub fn some<T>(field: &'static str, list: &[T]) -> Result<()> {
    if list.is_empty() { Err(Error::invalid(field, "must not be empty")) } else { Ok(()) }
}

/// Messages are numbered from 0.
pub fn message_id(field: &'static str, id: i64) -> Result<()> {
    if id < 0 { Err(Error::invalid(field, format!("must be at least 0, is {id}"))) } else { Ok(()) }
}

/// Plans of one shard.
pub fn plans(shard_id: ShardId, plans: &[TransitionPlan]) -> Result<()> {
    match plans.iter().all(|p| p.shard_id == shard_id) {
        true => Ok(()),
        false => Err(Error::invalid("plans", "every plan must be of the request's shard")),
    }
}

/// Definitions that can be, each of another collection.
pub fn definitions(definitions: &[CollectionDef]) -> Result<()> {
    let mut names = BTreeSet::new();
    for def in definitions {
        def.validate()?;
        if !names.insert(&def.name) {
            return Err(Error::invalid("definition", format!("collection {}: declared twice", def.name)));
        }
    }
    Ok(())
}

/// Writes of one or more documents, each another.
pub fn writes(writes: &[DocumentWrite]) -> Result<()> {
    some("writes", writes)?;
    let mut seen = HashSet::new();
    for w in writes {
        identifier(&w.collection)?;
        if !seen.insert((&w.collection, &w.key)) {
            return Err(Error::invalid("writes", format!("{} {} is there twice", w.collection, w.key)));
        }
    }
    Ok(())
}

/// A fence never goes back.
pub fn range_id_grows(previous: i64, next: i64) -> Result<()> {
    if next < previous {
        return Err(Error::invalid("range_id", format!("must be at least the previous one, {previous}")));
    }
    Ok(())
}

/// The key of a task of this category.
pub fn task_key(category: TaskCategory, key: TaskKey) -> Result<()> {
    if category.kind == TaskCategoryKind::Immediate && key.fire_time != Timestamp::EPOCH {
        return Err(Error::invalid("task.key.fire_time", "must be the epoch for an immediate task"));
    }
    Ok(())
}

/// The bounds of a range of tasks of this category. Immediate bounds carry no fire time and a task id other than 0 at the
/// end; scheduled bounds carry no task id and a fire time other than the epoch at the end.
pub fn task_range(category: TaskCategory, min: TaskKey, max: TaskKey) -> Result<()> {
    match category.kind {
        TaskCategoryKind::Immediate => {
            if min.fire_time != Timestamp::EPOCH || max.fire_time != Timestamp::EPOCH {
                return Err(Error::invalid("task range", "bounds of immediate tasks carry no fire time"));
            }
            if max.task_id == 0 {
                return Err(Error::invalid("task range", "the maximum task id must be set"));
            }
        }
        TaskCategoryKind::Scheduled => {
            if min.task_id != 0 || max.task_id != 0 {
                return Err(Error::invalid("task range", "bounds of scheduled tasks carry no task id"));
            }
            if max.fire_time == Timestamp::EPOCH {
                return Err(Error::invalid("task range", "the maximum fire time must be set"));
            }
        }
    }
    Ok(())
}

/// A history node in itself.
pub fn node_header(h: &NodeHeader) -> Result<()> {
    if h.first_event_id < 1 {
        return Err(Error::invalid("node.first_event_id", "must be at least 1"));
    }
    if h.event_count < 1 {
        return Err(Error::invalid("node.event_count", "must be at least 1"));
    }
    if h.first_event_id.checked_add(h.event_count).is_none() {
        return Err(Error::invalid("node.event_count", "goes past the largest event id"));
    }
    if h.previous_transaction_id < 0 {
        return Err(Error::invalid("node.previous_transaction_id", "must not be negative"));
    }
    if h.transaction_id <= h.previous_transaction_id {
        return Err(Error::invalid("node.transaction_id", "must be larger than the previous one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters() {
        assert!(name("n", &"é".repeat(255)).is_ok());
        assert!(name("n", &"a".repeat(256)).is_err());
        assert!(name("n", "").is_err());
        assert!(name("n", "a\0b").is_err());
        assert!(name("n", " a%'\" ").is_ok());
    }
}
