//! Keyset pages: a size, an explicit order, and tokens that only fit the query they came from.

use crate::error::{Error, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// Where the next page begins. Opaque; survives restarts; fails with `InvalidToken` when it is damaged or
/// used with another query than the one that gave it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageToken(Bytes);

impl PageToken {
    /// A token from bytes that were kept elsewhere.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        PageToken(bytes.into())
    }

    /// The token's bytes, to keep elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageToken({} bytes)", self.0.len())
    }
}

/// How much to read, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items; 0 is `InvalidArgument`.
    pub size: u32,
    /// The token of the page before; none for the first page.
    pub token: Option<PageToken>,
}

impl PageRequest {
    /// The first page of this size.
    pub fn first(size: u32) -> Self {
        PageRequest { size, token: None }
    }

    /// The page after this token.
    pub fn after(size: u32, token: PageToken) -> Self {
        PageRequest { size, token: Some(token) }
    }

    /// The size as a count, or `InvalidArgument` when it is 0.
    pub fn checked_size(&self) -> Result<usize> {
        match self.size {
            0 => Err(Error::invalid("page.size", "must be at least 1")),
            n => Ok(n as usize),
        }
    }
}

/// One page of results. A token is present exactly when a live item beyond the page existed when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the operation's order.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// Cuts `items`, of which one more than `size` was fetched if there was more, to a page; `token` makes
    /// the position from the last item kept.
    pub fn cut(mut items: Vec<T>, size: usize, token: impl FnOnce(&T) -> PageToken) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(token) } else { None };
        Page { items, next }
    }
}

/// What a token must match: the operation and everything that selects its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryId(u64);

const TOKEN_VERSION: u8 = 1;
const HEADER: usize = 1 + 8;
const TRAILER: usize = 4;

impl QueryId {
    /// The identity of `operation` with the parameters that select its items (not the page size).
    pub fn new(operation: &str, parameters: &impl Serialize) -> Self {
        // Serialising plain data to memory cannot fail; an empty identity would still be checked.
        let bytes = postcard::to_stdvec(&(operation, parameters)).unwrap_or_default();
        QueryId(xxh3_64(&bytes))
    }

    /// A token for this query.
    pub fn token(self, position: &impl Serialize) -> PageToken {
        let mut out = vec![TOKEN_VERSION];
        out.extend_from_slice(&self.0.to_be_bytes());
        out.extend_from_slice(&postcard::to_stdvec(position).unwrap_or_default());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        PageToken(out.into())
    }

    /// The position in a token of this query; none for the first page.
    pub fn position<P: DeserializeOwned>(self, token: Option<&PageToken>) -> Result<Option<P>> {
        let Some(PageToken(bytes)) = token else { return Ok(None) };
        let bad = |rule: &str| Error::invalid_token("page.token", rule);
        if bytes.len() < HEADER + TRAILER {
            return Err(bad("too short to be a token"));
        }
        let (body, sum) = bytes.split_at(bytes.len() - TRAILER);
        if crc32fast::hash(body).to_be_bytes() != sum {
            return Err(bad("damaged"));
        }
        if body[0] != TOKEN_VERSION {
            return Err(bad("of a format version that this binary does not know"));
        }
        if body[1..HEADER] != self.0.to_be_bytes() {
            return Err(bad("belongs to another query"));
        }
        postcard::from_bytes(&body[HEADER..]).map(Some).map_err(|_| bad("damaged position"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_token_fits_its_own_query_only() {
        let q = QueryId::new("list", &(1, "a"));
        let t = q.token(&("key", 7u64));
        assert_eq!(q.position(Some(&t)).unwrap(), Some(("key".to_owned(), 7u64)));
        let other = QueryId::new("list", &(2, "a")).position::<(String, u64)>(Some(&t)).unwrap_err();
        assert_eq!(other.kind(), ErrorKind::InvalidToken);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let q = QueryId::new("list", &1);
        let t = q.token(&42u64);
        for i in 0..t.0.len() {
            let mut bytes = t.0.to_vec();
            bytes[i] ^= 1;
            let e = q.position::<u64>(Some(&PageToken::from_bytes(bytes))).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidToken);
        }
        for n in 0..t.0.len() {
            let cut = PageToken::from_bytes(t.0.slice(..n));
            assert_eq!(q.position::<u64>(Some(&cut)).unwrap_err().kind(), ErrorKind::InvalidToken);
        }
    }
}
