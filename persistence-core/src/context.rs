//! What travels with every call: the deadline, who calls, how urgent, and the trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How urgent a call is; smaller is more urgent. The stores pass it on, rate limiters use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Priority {
    /// An operator's own call.
    Operator,
    /// A user waits for the answer.
    #[default]
    Api,
    /// Loading of queues.
    Queue,
    /// Background work.
    Background,
    /// Work that may be put off.
    Preemptable,
}

/// The surroundings of one call. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Context {
    deadline: Option<Instant>,
    caller: Option<Arc<str>>,
    priority: Priority,
    traceparent: Option<Arc<str>>,
}

impl Context {
    /// No deadline, no caller, the default priority.
    pub fn new() -> Self {
        Context::default()
    }

    /// The same context with a deadline this far from now.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with_deadline(Instant::now() + timeout)
    }

    /// The same context with this deadline; an earlier one that is set already stays.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
        self
    }

    /// The same context with the caller's name (a namespace or a service).
    #[must_use]
    pub fn with_caller(mut self, caller: impl Into<Arc<str>>) -> Self {
        self.caller = Some(caller.into());
        self
    }

    /// The same context with this priority.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The same context with a W3C `traceparent`.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: impl Into<Arc<str>>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// When the call must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time left, at most `limit`; zero when the deadline has passed.
    pub fn remaining(&self, limit: Duration) -> Duration {
        self.deadline.map_or(limit, |d| d.saturating_duration_since(Instant::now()).min(limit))
    }

    /// Whether the deadline has passed.
    pub fn is_expired(&self) -> bool {
        self.deadline.is_some_and(|d| d <= Instant::now())
    }

    /// Who calls.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// How urgent the call is.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The trace that the call belongs to.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }
}
