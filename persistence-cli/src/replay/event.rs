//! One event of an export: the few fields that conversion needs, read leniently; the rest stays raw.

use jiff::Timestamp as Instant;
use persistence::Timestamp;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// An event, with its text as the file has it.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) raw: &'a str,
    pub(crate) id: i64,
    /// The type as it was spelled.
    pub(crate) spelled: String,
    /// The type in its short spelling, `TimerStarted`.
    pub(crate) kind: String,
    pub(crate) time: Timestamp,
    /// The failover version; 0 where the export has none.
    pub(crate) version: i64,
    pub(crate) attributes: Fields<'a>,
}

/// The fields of an object, not yet read.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

/// What is wrong with an event, in words.
pub(crate) type Wrong = String;

const LONG: &str = "EVENT_TYPE_";

impl<'a> Event<'a> {
    pub(crate) fn parse(raw: &'a RawValue) -> Result<Self, Wrong> {
        let fields = Fields::parse(raw).map_err(|_| "an event must be an object".to_owned())?;
        let spelled = fields.need_text("eventType")?;
        let id = fields.need_number("eventId")?;
        let time = fields.time("eventTime")?.ok_or("eventTime is missing")?;
        let version = fields.number("version")?.unwrap_or(0);
        let attributes = match fields.0.iter().find(|(name, _)| name.ends_with("EventAttributes")) {
            Some((name, raw)) => Fields::parse(raw).map_err(|_| format!("{name} must be an object"))?,
            None => Fields::default(),
        };
        Ok(Event {
            raw: raw.get(),
            id,
            kind: short(&spelled).into_owned(),
            spelled,
            time,
            version,
            attributes,
        })
    }

    /// Another type in the spelling that this event uses.
    pub(crate) fn spell_like(&self, kind: &str) -> String {
        if self.spelled.starts_with(LONG) { long(kind) } else { kind.to_owned() }
    }
}

impl<'a> Fields<'a> {
    fn parse(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(raw.get()).map(Fields)
    }

    /// The field as it is spelled in the file; null counts as absent.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    fn read<T>(
        &self,
        name: &str,
        what: &str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Wrong> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        read(raw.get()).map(Some).ok_or_else(|| format!("{name} must be {what}, not {}", excerpt(raw.get())))
    }

    /// A string, if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Wrong> {
        let text = self.read(name, "a string", |raw| serde_json::from_str::<String>(raw).ok())?;
        Ok(text.filter(|t| !t.is_empty()))
    }

    pub(crate) fn need_text(&self, name: &str) -> Result<String, Wrong> {
        self.text(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// An integer, also when it is spelled as a string: 64-bit integers are.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Wrong> {
        self.read(name, "an integer", |raw| raw.trim_matches('"').parse().ok())
    }

    pub(crate) fn need_number(&self, name: &str) -> Result<i64, Wrong> {
        self.number(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// A time: RFC 3339, or nanoseconds since the epoch as old tools write.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Wrong> {
        self.read(name, "a time", |raw| {
            let text = raw.trim_matches('"');
            match text.parse::<i64>() {
                Ok(nanos) => Some(Timestamp::from_nanos(nanos.into())),
                Err(_) => text.parse::<Instant>().ok().map(|t| Timestamp::from_nanos(t.as_nanosecond())),
            }
        })
    }

    /// A duration, if it is there and longer than nothing.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, Wrong> {
        let duration =
            self.read(name, "a duration such as \"90s\"", |raw| duration(raw.trim_matches('"')))?;
        Ok(duration.filter(|d| !d.is_zero()))
    }

    /// A string in an object: `taskQueue.name`.
    pub(crate) fn text_in(&self, name: &str, inner: &str) -> Result<Option<String>, Wrong> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => Fields::parse(raw).map_err(|_| format!("{name} must be an object"))?.text(inner),
        }
    }
}

fn excerpt(raw: &str) -> String {
    let mut text: String = raw.chars().take(40).collect();
    if text.len() < raw.len() {
        text.push('…');
    }
    text
}

/// `TimerStarted` for both spellings; a type that is not known goes through the same rule.
fn short(spelled: &str) -> Cow<'_, str> {
    let Some(rest) = spelled.strip_prefix(LONG) else { return Cow::Borrowed(spelled) };
    let word = |w: &str| {
        let mut chars = w.chars();
        chars.next().into_iter().chain(chars.flat_map(char::to_lowercase)).collect::<String>()
    };
    Cow::Owned(rest.split('_').map(word).collect())
}

fn long(short: &str) -> String {
    let mut out = LONG.trim_end_matches('_').to_owned();
    for c in short.chars() {
        if c.is_uppercase() {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}

/// `90s`, `1.5s`, and what Go prints: `168h0m0s`, `250ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(i64, String, Timestamp), Wrong> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        Event::parse(&raw).map(|e| (e.id, e.kind, e.time))
    }

    #[test]
    fn both_spellings_are_one_type() {
        assert_eq!(
            short("EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
            "WorkflowExecutionContinuedAsNew"
        );
        assert_eq!(short("TimerStarted"), "TimerStarted");
        assert_eq!(long("TimerStarted"), "EVENT_TYPE_TIMER_STARTED");
    }

    #[test]
    fn ids_may_be_strings_or_numbers_and_times_old_or_new() {
        let new =
            r#"{"eventId":"7","eventTime":"1970-01-01T00:00:01.0019Z","eventType":"EVENT_TYPE_TIMER_FIRED"}"#;
        assert_eq!(parse(new), Ok((7, "TimerFired".to_owned(), Timestamp(1001))));
        let old = r#"{"eventId":7,"eventTime":1001000000,"eventType":"TimerFired"}"#;
        assert_eq!(parse(old), Ok((7, "TimerFired".to_owned(), Timestamp(1001))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |json| parse(json).unwrap_err();
        assert_eq!(wrong("7"), "an event must be an object");
        assert_eq!(wrong(r#"{"eventId":"7"}"#), "eventType is missing");
        assert_eq!(wrong(r#"{"eventId":"x","eventType":"T"}"#), "eventId must be an integer, not \"x\"");
        assert_eq!(wrong(r#"{"eventId":1,"eventType":5}"#), "eventType must be a string, not 5");
        assert_eq!(
            wrong(r#"{"eventId":1,"eventType":"T","eventTime":"soon"}"#),
            "eventTime must be a time, not \"soon\""
        );
        let attributes = r#"{"eventId":1,"eventType":"T","eventTime":1,"timerFiredEventAttributes":[]}"#;
        assert_eq!(wrong(attributes), "timerFiredEventAttributes must be an object");
    }

    #[test]
    fn durations_of_both_tools() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("168h0m1s"), Some(Duration::from_secs(168 * 3600 + 1)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "s", "5", "5x", "-1s", "1e400s", "99999999999999999999999s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
