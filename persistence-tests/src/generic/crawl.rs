//! Reading pages to the end, and what every paged read does with tokens.

use futures_util::future::BoxFuture;
use persistence_core::{ErrorKind, Page, PageRequest, PageToken, Result};
use std::fmt::Debug;

/// What a paged read gives.
pub(crate) type Reply<'a, T> = BoxFuture<'a, Result<Page<T>>>;

/// A paged read.
pub(crate) trait Read<'a, T>: Fn(PageRequest) -> Reply<'a, T> + Send + Sync {}

impl<'a, T, F: Fn(PageRequest) -> Reply<'a, T> + Send + Sync> Read<'a, T> for F {}

/// Every item, read in pages of a size. Sees to it that tokens are exact: every page with a token is full, and none but a
/// lone first page is empty.
pub(crate) async fn crawl<'a, T>(size: u32, read: impl Read<'a, T>) -> Result<Vec<T>> {
    let (mut items, mut page) = (Vec::new(), PageRequest::first(size));
    loop {
        let first = page.token.is_none();
        let got = read(page).await?;
        assert!(got.items.len() <= size as usize, "{} items on a page of {size}", got.items.len());
        assert!(first || !got.items.is_empty(), "a token led to an empty page");
        items.extend(got.items);
        assert!(items.len() < 1_000_000, "a crawl without an end");
        let Some(token) = got.next else { return Ok(items) };
        assert_eq!(items.len() % size as usize, 0, "a page with a token is not full");
        page = PageRequest::after(size, token);
    }
}

/// Every item, the same for all these page sizes.
pub(crate) async fn crawl_by<'a, T: PartialEq + Debug>(
    sizes: impl IntoIterator<Item = u32>,
    read: impl Read<'a, T>,
) -> Result<Vec<T>> {
    let mut all: Option<Vec<T>> = None;
    for size in sizes {
        let items = crawl(size, &read).await?;
        if let Some(before) = &all {
            assert_eq!(&items, before, "pages of {size} give something else");
        }
        all = Some(items);
    }
    Ok(all.unwrap_or_default())
}

/// A page size of 0 is invalid; so is every token that is damaged, cut, made up, or of another query. `own` is a good one.
pub(crate) async fn check_tokens<'a, T: Debug>(
    own: &PageToken,
    foreign: &[PageToken],
    read: impl Read<'a, T>,
) -> Result<()> {
    assert_eq!(read(PageRequest::first(0)).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let mut bad = vec![PageToken::from_bytes(Vec::new()), PageToken::from_bytes(b"next".to_vec())];
    let bytes = own.as_bytes();
    bad.push(PageToken::from_bytes(bytes[..bytes.len() - 1].to_vec()));
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        bad.push(PageToken::from_bytes(damaged));
    }
    bad.extend_from_slice(foreign);
    for token in bad {
        let refused = read(PageRequest::after(10, token.clone())).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidToken, "{:?}", token.as_bytes());
    }
    // The size is not part of the query.
    read(PageRequest::after(3, own.clone())).await?;
    Ok(())
}
