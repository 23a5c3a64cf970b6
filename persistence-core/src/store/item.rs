//! The pending items of a run: every map of its mutable state.

use crate::blob::Blob;
use serde::{Deserialize, Serialize};

/// Which map of the mutable state an item is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ItemKind {
    /// Pending activities, by scheduled event id.
    Activity,
    /// Pending timers, by timer id.
    Timer,
    /// Pending child executions, by initiated event id.
    Child,
    /// Pending requests to cancel another execution, by initiated event id.
    RequestCancel,
    /// Pending signals to another execution, by initiated event id.
    Signal,
    /// Requests to signal this run that were seen, by request id.
    SignalRequested,
    /// Nodes of a component tree, by path.
    Node,
}

impl ItemKind {
    /// Every kind, in the order of reads.
    pub const ALL: &[ItemKind] = &[
        ItemKind::Activity,
        ItemKind::Timer,
        ItemKind::Child,
        ItemKind::RequestCancel,
        ItemKind::Signal,
        ItemKind::SignalRequested,
        ItemKind::Node,
    ];

    /// The number stored for the kind. Never reused.
    pub fn code(self) -> u8 {
        match self {
            ItemKind::Activity => 1,
            ItemKind::Timer => 2,
            ItemKind::Child => 3,
            ItemKind::RequestCancel => 4,
            ItemKind::Signal => 5,
            ItemKind::SignalRequested => 6,
            ItemKind::Node => 7,
        }
    }

    /// The kind's name, `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            ItemKind::Activity => "activity",
            ItemKind::Timer => "timer",
            ItemKind::Child => "child",
            ItemKind::RequestCancel => "request_cancel",
            ItemKind::Signal => "signal",
            ItemKind::SignalRequested => "signal_requested",
            ItemKind::Node => "node",
        }
    }
}

/// An item's key in its run. Ordered by kind, then by number or by the bytes of the name: the order of reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ItemKey {
    /// See [`ItemKind::Activity`].
    Activity(i64),
    /// See [`ItemKind::Timer`].
    Timer(String),
    /// See [`ItemKind::Child`].
    Child(i64),
    /// See [`ItemKind::RequestCancel`].
    RequestCancel(i64),
    /// See [`ItemKind::Signal`].
    Signal(i64),
    /// See [`ItemKind::SignalRequested`].
    SignalRequested(String),
    /// See [`ItemKind::Node`].
    Node(String),
}

/// The part of an item's key below its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemId<'a> {
    /// An event id.
    Number(i64),
    /// A name.
    Name(&'a str),
}

impl ItemKey {
    /// The map that the item is in.
    pub fn kind(&self) -> ItemKind {
        match self {
            ItemKey::Activity(_) => ItemKind::Activity,
            ItemKey::Timer(_) => ItemKind::Timer,
            ItemKey::Child(_) => ItemKind::Child,
            ItemKey::RequestCancel(_) => ItemKind::RequestCancel,
            ItemKey::Signal(_) => ItemKind::Signal,
            ItemKey::SignalRequested(_) => ItemKind::SignalRequested,
            ItemKey::Node(_) => ItemKind::Node,
        }
    }

    /// The number or name in that map.
    pub fn id(&self) -> ItemId<'_> {
        match self {
            ItemKey::Activity(n) | ItemKey::Child(n) | ItemKey::RequestCancel(n) | ItemKey::Signal(n) => {
                ItemId::Number(*n)
            }
            ItemKey::Timer(s) | ItemKey::SignalRequested(s) | ItemKey::Node(s) => ItemId::Name(s),
        }
    }

    /// The key from its stored parts; none when they do not belong together.
    pub fn from_parts(code: u8, id: ItemId<'_>) -> Option<Self> {
        Some(match (code, id) {
            (1, ItemId::Number(n)) => ItemKey::Activity(n),
            (2, ItemId::Name(s)) => ItemKey::Timer(s.to_owned()),
            (3, ItemId::Number(n)) => ItemKey::Child(n),
            (4, ItemId::Number(n)) => ItemKey::RequestCancel(n),
            (5, ItemId::Number(n)) => ItemKey::Signal(n),
            (6, ItemId::Name(s)) => ItemKey::SignalRequested(s.to_owned()),
            (7, ItemId::Name(s)) => ItemKey::Node(s.to_owned()),
            _ => return None,
        })
    }
}

/// An item of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: ItemKey,
    /// Its payload; may be empty.
    pub value: Blob,
}
