//! Values that are compared: one type each, the same order on every driver.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt;
use uuid::Uuid;

/// A value that documents are found and ordered by.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum Scalar {
    /// `false` before `true`.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A number; never NaN. `-0.0` equals `0.0`.
    F64(f64),
    /// Text, ordered by its UTF-8 bytes.
    Str(String),
    /// A UUID, ordered by its bytes.
    Uuid(Uuid),
    /// A time.
    Time(Timestamp),
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum KeyType {
    /// `true` or `false`.
    Bool,
    /// A whole number that fits 64 bits with sign. `1.0` is none.
    I64,
    /// Any number.
    F64,
    /// Text of at most so many bytes, at most [`MAX_TEXT`]. Longer text is refused when it is written.
    Str {
        /// Bytes.
        max: u16,
    },
    /// A UUID, in JSON its hyphenated lower-case text.
    Uuid,
    /// A time, in JSON a whole number of this unit since the Unix epoch.
    Time(TimeUnit),
}

/// The longest indexed text, in bytes.
pub const MAX_TEXT: u16 = 1020;

/// The unit of a time in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds, which is also how finely times are compared.
    Millis,
}

impl TimeUnit {
    /// Milliseconds in one.
    pub fn millis(self) -> i64 {
        match self {
            TimeUnit::Seconds => 1000,
            TimeUnit::Millis => 1,
        }
    }
}

impl Scalar {
    /// Compares values of one type; numbers of both kinds are one type. None for values of different types.
    pub fn compare(&self, other: &Scalar) -> Option<Ordering> {
        use Scalar::*;
        Some(match (self, other) {
            (Bool(a), Bool(b)) => a.cmp(b),
            (I64(a), I64(b)) => a.cmp(b),
            (F64(a), F64(b)) => a.partial_cmp(b)?,
            (I64(a), F64(b)) => compare_mixed(*a, *b)?,
            (F64(a), I64(b)) => compare_mixed(*b, *a)?.reverse(),
            (Str(a), Str(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Uuid(a), Uuid(b)) => a.cmp(b),
            (Time(a), Time(b)) => a.cmp(b),
            _ => return None,
        })
    }

    /// The value of a leaf of JSON as it is, for paths of which nothing was declared; none for null, arrays and objects.
    pub fn of_leaf(v: &Value) -> Option<Scalar> {
        Some(match v {
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Number(n) => of_number(n)?,
            Value::String(s) => Scalar::Str(s.clone()),
            _ => return None,
        })
    }

    /// The value of a leaf of JSON as one of this type, or what is wrong with it.
    pub fn of_type(v: &Value, ty: KeyType) -> Result<Scalar, String> {
        let is = || match v {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let wrong = || format!("must be {ty}, is {}", is());
        match (ty, v) {
            (KeyType::Bool, Value::Bool(b)) => Ok(Scalar::Bool(*b)),
            (KeyType::I64, Value::Number(n)) => {
                n.as_i64().map(Scalar::I64).ok_or_else(|| "must be a whole number of 64 bits".to_owned())
            }
            (KeyType::F64, Value::Number(n)) => n.as_f64().map(|f| Scalar::F64(f + 0.0)).ok_or_else(wrong),
            (KeyType::Str { max }, Value::String(s)) if s.len() <= usize::from(max) => {
                Ok(Scalar::Str(s.clone()))
            }
            (KeyType::Str { max }, Value::String(s)) => {
                Err(format!("must have at most {max} bytes, has {}", s.len()))
            }
            (KeyType::Uuid, Value::String(s)) => match s.parse::<Uuid>() {
                // One text a value: databases compare what is written.
                Ok(id) if id.to_string() == *s => Ok(Scalar::Uuid(id)),
                _ => Err("must be a UUID in lower case, with hyphens".to_owned()),
            },
            (KeyType::Time(unit), Value::Number(n)) => {
                let millis = n.as_i64().and_then(|t| t.checked_mul(unit.millis()));
                let rule = || format!("must be a whole number of {unit} since the epoch");
                millis.map(|t| Scalar::Time(Timestamp(t))).ok_or_else(rule)
            }
            _ => Err(wrong()),
        }
    }

    /// The value as a document has it in an attribute of this type: the other way round than [`of_type`](Self::of_type).
    pub fn to_json(&self, ty: KeyType) -> Value {
        match (self, ty) {
            (Scalar::Bool(b), _) => Value::from(*b),
            (Scalar::I64(i), _) => Value::from(*i),
            (Scalar::F64(f), _) => Value::from(*f),
            (Scalar::Str(s), _) => Value::from(s.as_str()),
            (Scalar::Uuid(id), _) => Value::from(id.to_string()),
            (Scalar::Time(t), KeyType::Time(unit)) => Value::from(t.0.div_euclid(unit.millis())),
            (Scalar::Time(t), _) => Value::from(t.0),
        }
    }

    /// The same value as attributes of this type are stored; none when it cannot be compared with them.
    pub fn coerce(&self, ty: KeyType) -> Option<Scalar> {
        match (self, ty) {
            (Scalar::Bool(_), KeyType::Bool)
            | (Scalar::I64(_), KeyType::I64)
            | (Scalar::Str(_), KeyType::Str { .. })
            | (Scalar::Uuid(_), KeyType::Uuid)
            | (Scalar::Time(_), KeyType::Time(_)) => Some(self.clone()),
            // Zero has one sign: databases that compare bytes know two.
            (Scalar::F64(f), KeyType::F64) if !f.is_nan() => Some(Scalar::F64(f + 0.0)),
            (Scalar::I64(i), KeyType::F64) => {
                // As JSON's numbers become `f64`s, by the nearest one.
                #[allow(clippy::cast_precision_loss)]
                let f = *i as f64;
                (compare_mixed(*i, f) == Some(Ordering::Equal)).then_some(Scalar::F64(f))
            }
            _ => None,
        }
    }
}

fn of_number(n: &Number) -> Option<Scalar> {
    n.as_i64().map(Scalar::I64).or_else(|| n.as_f64().map(Scalar::F64))
}

/// Compares exactly: a number beyond 2^53 is not rounded first. None for NaN.
fn compare_mixed(a: i64, b: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if b.is_nan() {
        return None;
    }
    if b >= LIMIT {
        return Some(Ordering::Less);
    }
    if b < -LIMIT {
        return Some(Ordering::Greater);
    }
    // In range, so the whole part is exact.
    #[allow(clippy::cast_possible_truncation)]
    let whole = b.trunc() as i64;
    let fraction = b - b.trunc();
    Some(a.cmp(&whole).then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyType::Bool => f.write_str("a boolean"),
            KeyType::I64 => f.write_str("a whole number"),
            KeyType::F64 => f.write_str("a number"),
            KeyType::Str { .. } => f.write_str("text"),
            KeyType::Uuid => f.write_str("a UUID"),
            KeyType::Time(unit) => write!(f, "{unit} since the epoch"),
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Millis => "milliseconds",
        })
    }
}

macro_rules! from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Scalar {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}
from! {
    bool => |v| Scalar::Bool(v);
    i64 => |v| Scalar::I64(v);
    i32 => |v| Scalar::I64(v.into());
    f64 => |v| Scalar::F64(v);
    &str => |v| Scalar::Str(v.to_owned());
    String => |v| Scalar::Str(v);
    Uuid => |v| Scalar::Uuid(v);
    Timestamp => |v| Scalar::Time(v);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_of_both_kinds_compare_exactly() {
        let less = [
            (Scalar::I64(i64::MAX - 1), Scalar::I64(i64::MAX)),
            (Scalar::I64(i64::MAX), Scalar::F64(9.3e18)),
            (Scalar::F64(-9.3e18), Scalar::I64(i64::MIN)),
            (Scalar::F64(1.5), Scalar::I64(2)),
            (Scalar::I64(1), Scalar::F64(1.5)),
            (Scalar::F64(-1.5), Scalar::I64(-1)),
            (Scalar::I64(-2), Scalar::F64(-1.5)),
            (Scalar::F64(9_007_199_254_740_992.0), Scalar::I64(9_007_199_254_740_993)),
        ];
        for (a, b) in less {
            assert_eq!(a.compare(&b), Some(Ordering::Less), "{a:?} {b:?}");
            assert_eq!(b.compare(&a), Some(Ordering::Greater), "{a:?} {b:?}");
        }
        assert_eq!(Scalar::I64(2).compare(&Scalar::F64(2.0)), Some(Ordering::Equal));
        assert_eq!(Scalar::F64(-0.0).compare(&Scalar::I64(0)), Some(Ordering::Equal));
        assert_eq!(Scalar::F64(f64::NAN).compare(&Scalar::I64(0)), None);
        assert_eq!(Scalar::from("5").compare(&Scalar::I64(5)), None);
    }

    #[test]
    fn types_are_strict() {
        assert!(Scalar::of_type(&json!(1.0), KeyType::I64).is_err());
        assert!(Scalar::of_type(&json!(u64::MAX), KeyType::I64).is_err());
        assert!(Scalar::of_type(&json!("1"), KeyType::I64).is_err());
        assert!(Scalar::of_type(&json!(null), KeyType::Bool).is_err());
        assert!(Scalar::of_type(&json!("é"), KeyType::Str { max: 1 }).is_err());
        assert!(Scalar::of_type(&json!("0190A0B0-0000-7000-8000-000000000000"), KeyType::Uuid).is_err());
        assert!(Scalar::of_type(&json!(i64::MAX), KeyType::Time(TimeUnit::Seconds)).is_err());
        let time = Scalar::of_type(&json!(7), KeyType::Time(TimeUnit::Seconds));
        assert_eq!(time, Ok(Scalar::Time(Timestamp(7000))));
    }
}
