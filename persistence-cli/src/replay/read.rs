//! Files of exported histories: plain or gzip, `{"events": [...]}`, every event kept byte by byte.

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// What a file may unpack to: more is a mistake, or an attack.
const MAX_BYTES: u64 = 2 << 30;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Line and column (from 1) of the uncompressed text, where known.
    pub(crate) at: Option<(usize, usize)>,
    /// What is wrong, with the event it concerns.
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Problem { at: None, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The text of a file.
#[derive(Debug)]
pub(crate) struct Text(String);

/// An export: the events exactly as the file spells them.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    text: &'a str,
    pub(crate) events: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
}

impl Text {
    /// Reads a file, unpacking it if it begins like gzip, whatever its name.
    pub(crate) fn read(path: &Path) -> Result<Text, Problem> {
        let mut file = File::open(path).map_err(|e| Problem::new(e.to_string()))?;
        let mut magic = [0; 2];
        let n = read_up_to(&mut file, &mut magic).map_err(|e| Problem::new(e.to_string()))?;
        let whole = (&magic[..n]).chain(file);
        let mut bytes = Vec::new();
        if magic[..n] == [0x1f, 0x8b] {
            let read = MultiGzDecoder::new(whole).take(MAX_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|e| gzip_problem(&e, bytes.len()))?;
        } else {
            let read = whole.take(MAX_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|e| Problem::new(e.to_string()))?;
        }
        if u64::try_from(bytes.len()).is_ok_and(|n| n > MAX_BYTES) {
            return Err(Problem::new(format!("more than {MAX_BYTES} bytes of text")));
        }
        Text::from_bytes(bytes)
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Text, Problem> {
        String::from_utf8(bytes).map(Text).map_err(|e| {
            let valid = e.utf8_error().valid_up_to();
            let at = position(e.as_bytes(), valid);
            Problem { at: Some(at), what: "not UTF-8 text".to_owned() }
        })
    }

    /// Tells whether a file changed between two looks at it.
    pub(crate) fn fingerprint(&self) -> u64 {
        xxh3_64(self.0.as_bytes())
    }

    /// The events in it.
    pub(crate) fn export(&self) -> Result<Export<'_>, Problem> {
        // Some tools begin their files with a byte order mark.
        let text = self.0.strip_prefix('\u{feff}').unwrap_or(&self.0);
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| json_problem(&e))?;
        let events =
            envelope.events.ok_or_else(|| Problem::new("not a history: there is no \"events\" array"))?;
        if events.is_empty() {
            return Err(Problem::new("the history has no events"));
        }
        Ok(Export { text, events })
    }
}

impl<'a> Export<'a> {
    /// A problem of one event.
    pub(crate) fn problem(&self, index: usize, what: impl fmt::Display) -> Problem {
        let at = self.events.get(index).map(|raw| {
            let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            position(self.text.as_bytes(), offset)
        });
        Problem { at, what: format!("events[{index}]: {what}") }
    }
}

fn read_up_to(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < into.len() {
        match from.read(&mut into[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

fn gzip_problem(e: &io::Error, unpacked: usize) -> Problem {
    let what = match e.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip data ends too early".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => format!("damaged gzip data: {e}"),
        _ => e.to_string(),
    };
    Problem::new(format!("after {unpacked} bytes of text: {what}"))
}

fn json_problem(e: &serde_json::Error) -> Problem {
    let text = e.to_string();
    // The position is told apart from the message.
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let at = (e.line() > 0).then(|| (e.line(), e.column()));
    Problem { at, what: format!("not a history in JSON: {what}") }
}

fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> Problem {
        let text = match Text::from_bytes(bytes.to_vec()) {
            Ok(text) => text,
            Err(problem) => return problem,
        };
        text.export().unwrap_err()
    }

    #[test]
    fn problems_say_where() {
        let p = problem(b"{\n  \"events\": [\n    {]\n");
        assert_eq!(p.at, Some((3, 6)), "{p}");
        assert_eq!(problem(b"{\"events\": [], \"x\": \xff}").at, Some((1, 21)));
        assert!(problem(b"{}").what.contains("no \"events\""));
        assert!(problem(b"[]").at.is_some());
        assert!(problem(b"").what.contains("EOF"));
        assert!(problem(b"{\"events\":[]}").what.contains("no events"));
    }

    #[test]
    fn events_keep_their_spelling_and_know_their_place() {
        let text = Text::from_bytes(
            b"\xef\xbb\xbf{\"x\":1,\n \"events\":[ {\"b\" : 1.50,\"a\":\"\\u0041\"},\n  7]}".to_vec(),
        );
        let text = text.unwrap();
        let export = text.export().unwrap();
        assert_eq!(export.events[0].get(), "{\"b\" : 1.50,\"a\":\"\\u0041\"}");
        assert_eq!(export.problem(1, "no object").to_string(), "line 3, column 3: events[1]: no object");
    }
}
