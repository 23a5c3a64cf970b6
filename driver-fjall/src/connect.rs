//! `fjall:PATH` as a URL.

use crate::Fjall;
use async_trait::async_trait;
use persistence_nosql::core::connect::Connector;
use persistence_nosql::core::{Env, Error, Persistence, Result};
use std::sync::Arc;
use url::Url;

/// Answers `fjall:PATH`; see [`Builder::from_url`](crate::Builder::from_url) for the options.
pub fn connector() -> impl Connector + 'static {
    FjallConnector
}

struct FjallConnector;

#[async_trait]
impl Connector for FjallConnector {
    fn scheme(&self) -> &'static str {
        "fjall"
    }

    async fn connect(&self, url: &Url, env: &Env) -> Result<Arc<dyn Persistence>> {
        let store = Fjall::open(&decoded(url.as_str())?).await?;
        persistence_nosql::open(Arc::new(store), env.clone()).await
    }
}

/// Parsing a URL has spelled what is not ASCII in a path as `%` and two digits.
fn decoded(url: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |i: usize| after.get(i).and_then(|d| char::from(*d).to_digit(16));
        let escape = digit(0).zip(digit(1)).filter(|_| byte == b'%');
        match escape.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid("url", "the path is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_parsing_of_its_url() {
        for url in ["fjall:./dätä", "fjall:./a b", "fjall:/x/1%", "fjall:./plain?cache=8MiB"] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(decoded(parsed.as_str()).unwrap(), url);
        }
        assert!(decoded("fjall:%ff").is_err());
    }
}
