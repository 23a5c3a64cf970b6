//! The options of a URL, typed.

use crate::error::{Error, Result};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The path and the options of a driver's URL, `scheme:path?option=value&…`.
///
/// A driver takes each option that it has, by name, and then [`finish`](Self::finish)es: options that nobody took are
/// refused, because one that is silently ignored is one that its user believes in. Every error is `InvalidArgument` and
/// none shows a value, which may be a password.
///
/// ```
/// # use persistence_core::connect::UrlOptions;
/// # fn main() -> persistence_core::Result<()> {
/// let mut options = UrlOptions::parse("db", "db:./data?cache=8MiB&sync=off")?;
/// let path = options.path()?;
/// let cache = options.bytes("cache")?.unwrap_or(64 << 20);
/// let sync = options.choice("sync", &[("on", true), ("off", false)])?.unwrap_or(true);
/// options.finish()?;
/// # assert_eq!((path.to_str(), cache, sync), (Some("./data"), 8 << 20, false));
/// # Ok(()) }
/// ```
#[must_use = "options that were not taken are refused by `finish`"]
pub struct UrlOptions {
    url: Url,
    /// What was given and not yet taken.
    left: BTreeMap<String, String>,
    /// What was asked for.
    known: Vec<&'static str>,
}

impl UrlOptions {
    /// The options of a URL of this scheme.
    pub fn parse(scheme: &str, url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|e| refusal(format!("{e}; expected {scheme}:…")))?;
        if url.scheme() != scheme {
            return Err(refusal(format!("must begin with {scheme}:")));
        }
        UrlOptions::new(&url)
    }

    /// The options of a URL. Each may be given once.
    pub fn new(url: &Url) -> Result<Self> {
        let mut left = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if left.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(refusal(format!("has {} twice", shown(&name))));
            }
        }
        Ok(UrlOptions { url: url.clone(), left, known: Vec::new() })
    }

    /// The path, of drivers whose data is a file or a directory: `scheme:./x` is relative, `scheme:/x` and `scheme:///x`
    /// are absolute. What has a meaning in URLs is percent-encoded: `%3F` for `?`, `%23` for `#`, `%25` for `%`.
    pub fn path(&self) -> Result<PathBuf> {
        let (url, scheme) = (&self.url, self.url.scheme());
        let path = percent_decode_str(url.path()).decode_utf8();
        let path = path.map_err(|_| refusal("has a path that is not UTF-8"))?;
        if path.is_empty() || path.contains('\0') || url.host_str().is_some_and(|h| !h.is_empty()) {
            return Err(refusal(format!("must be {scheme}:./PATH or {scheme}:///PATH")));
        }
        if url.fragment().is_some() {
            return Err(refusal("has a #; in a path it is written %23"));
        }
        Ok(PathBuf::from(&*path))
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.left.remove(name)
    }

    /// A number of this range.
    pub fn integer(&mut self, name: &'static str, allowed: RangeInclusive<u64>) -> Result<Option<u64>> {
        let rule = format!("a number from {} to {}", allowed.start(), allowed.end());
        self.typed(name, &rule, |text| {
            text.parse().ok().filter(|n| text.starts_with(is_digit) && allowed.contains(n))
        })
    }

    /// A size: `4096`, `64KiB`, `64MiB`, `1GiB`.
    pub fn bytes(&mut self, name: &'static str) -> Result<Option<u64>> {
        const UNITS: &[(&str, u64)] = &[("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        self.typed(name, "a size such as 4096, 64KiB, 64MiB or 1GiB", |text| measure(text, UNITS))
    }

    /// A time: `250ms`, `30s`, `5min`, `1h`.
    pub fn duration(&mut self, name: &'static str) -> Result<Option<Duration>> {
        const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000)];
        let millis =
            self.typed(name, "a time such as 250ms, 30s, 5min or 1h", |text| measure(text, UNITS))?;
        Ok(millis.map(Duration::from_millis))
    }

    /// One of these words, as what it stands for.
    pub fn choice<T: Clone>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.typed(name, &format!("one of {}", words.join(", ")), |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone())
        })
    }

    /// Refuses every option that was not taken, and names those that there are.
    pub fn finish(self) -> Result<()> {
        let Some(name) = self.left.keys().next() else { return Ok(()) };
        let known = match &*self.known {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        Err(refusal(format!("{}: does not know {}; there are: {known}", self.url.scheme(), shown(name))))
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| refusal(format!("{name} must be {rule}")))
    }
}

impl fmt::Debug for UrlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlOptions").field("known", &self.known).finish_non_exhaustive()
    }
}

fn refusal(rule: impl Into<String>) -> Error {
    Error::invalid("url", rule)
}

/// The name of an option; unless it is none: a password with a `?` or `&` in it is cut up into such.
fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.len() <= 32 && name.chars().all(plain) {
        format!("option `{name}`")
    } else {
        "an option".to_owned()
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Digits and a unit.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c| !is_digit(c)).unwrap_or(text.len()));
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::path::Path;

    fn options(rest: &str) -> UrlOptions {
        UrlOptions::parse("db", &format!("db:{rest}")).unwrap()
    }

    fn path(rest: &str) -> Result<PathBuf> {
        options(rest).path()
    }

    #[track_caller]
    fn refused<T: fmt::Debug>(result: Result<T>) -> String {
        let e = result.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        e.to_string()
    }

    #[test]
    fn paths_are_relative_or_absolute_and_decoded() {
        for (rest, expected) in [
            ("./data", "./data"),
            ("data", "data"),
            ("/a/b", "/a/b"),
            ("///a/b?x=1", "/a/b"),
            ("./dätä/a b%3F%23", "./dätä/a b?#"),
        ] {
            assert_eq!(path(rest).unwrap(), Path::new(expected), "{rest}");
        }
        for rest in ["", "?x=1", "//host/x", "//me:secret@host/x", "%ff", "a%00b", "a#b"] {
            assert!(!refused(path(rest)).contains("secret"), "{rest}");
        }
    }

    #[test]
    fn every_type_is_read_and_nothing_else() {
        let mut o = options("x?n=7&size=3KiB&plain=65536&time=5min&mode=b&text=a%20b");
        assert_eq!(o.integer("n", 1..=7).unwrap(), Some(7));
        assert_eq!(o.bytes("size").unwrap(), Some(3072));
        assert_eq!(o.bytes("plain").unwrap(), Some(65_536));
        assert_eq!(o.duration("time").unwrap(), Some(Duration::from_secs(300)));
        assert_eq!(o.choice("mode", &[("a", 1), ("b", 2)]).unwrap(), Some(2));
        assert_eq!(o.text("text").as_deref(), Some("a b"));
        assert_eq!(o.bytes("none").unwrap(), None);
        o.finish().unwrap();
        for bad in ["", "-1", "+7", "8", "x", "7s"] {
            refused(options(&format!("x?n={bad}")).integer("n", 1..=7));
        }
        for bad in ["", "64MB", "MiB", "-1", "1.5GiB", "99999999999GiB", "1 KiB"] {
            refused(options(&format!("x?n={bad}")).bytes("n"));
        }
        for bad in ["", "5", "5m", "s", "99999999999999999999h", "999999999999999999h"] {
            refused(options(&format!("x?n={bad}")).duration("n"));
        }
        let message = refused(options("x?n=secret").choice("n", &[("on", true), ("off", false)]));
        assert!(message.contains("n must be one of on, off") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn options_that_nobody_took_are_refused() {
        let mut o = options("x?cash=64MiB&sync=on");
        o.text("cache");
        o.text("sync");
        let message = refused(o.finish());
        assert!(message.contains("`cash`") && message.contains("cache, sync"), "{message}");
        let o = options("x?se/cret@host");
        let message = refused(o.finish());
        assert!(!message.contains("cret") && message.contains("there are: none"), "{message}");
        refused(UrlOptions::parse("db", "db:x?a=1&a=2"));
        options("x?").finish().unwrap();
    }

    #[test]
    fn nothing_shows_a_password() {
        let url = "db://me:secret@host/x?password=secret";
        assert!(!format!("{:?}", UrlOptions::parse("db", url).unwrap()).contains("secret"));
        assert!(!refused(UrlOptions::parse("other", url)).contains("secret"));
        assert!(!refused(UrlOptions::parse("db", "db://me:secret@[host/")).contains("secret"));
        assert!(!refused(UrlOptions::parse("db", url).unwrap().finish()).contains("secret"));
    }
}
