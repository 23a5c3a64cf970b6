//! Texts of statements, each rendered once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// The most texts that are kept: few occur in practice, but the lengths of lists are the callers'.
const MOST: usize = 500;

/// Texts by what they are for.
pub(crate) struct Rendered<K>(LazyLock<RwLock<HashMap<K, Arc<str>>>>);

impl<K: Eq + Hash> Rendered<K> {
    pub(crate) const fn new() -> Self {
        Rendered(LazyLock::new(RwLock::default))
    }

    pub(crate) fn get(&self, key: K, render: impl FnOnce(&K) -> String) -> Arc<str> {
        if let Some(text) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(text);
        }
        let text: Arc<str> = render(&key).into();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, Arc::clone(&text));
        text
    }
}
