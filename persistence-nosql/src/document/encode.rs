//! Values of index entries as bytes whose order is that of the values, in either direction.

use crate::core::document::{Direction, DocumentId, Scalar};
use bytes::Bytes;
use foundationdb_tuple::{TuplePack, pack};

/// The longest indexed text, see [`MAX_TEXT`](crate::core::document::scalar::MAX_TEXT).
const LONGEST: usize = crate::core::document::scalar::MAX_TEXT as usize;

/// Appends a value. No encoding begins with 0xff, and none is the beginning of another one of its type, but for texts with
/// U+0000, which no document has.
pub(super) fn value(out: &mut Vec<u8>, v: &Scalar, direction: Direction) {
    match v {
        Scalar::Bool(b) => element(out, b, direction),
        Scalar::I64(n) => element(out, n, direction),
        Scalar::F64(f) => element(out, &(f + 0.0), direction),
        Scalar::Str(s) => element(out, &clamp(s), direction),
        Scalar::Uuid(id) => element(out, id, direction),
        Scalar::Time(t) => element(out, &t.0, direction),
    }
}

/// Appends an id.
pub(super) fn id(out: &mut Vec<u8>, id: &DocumentId, direction: Direction) {
    match id {
        DocumentId::Uuid(id) => element(out, id, direction),
        DocumentId::Text(id) => element(out, &&**id, direction),
    }
}

/// Appends the partition of a document.
pub(super) fn partition(out: &mut Vec<u8>, partition: Option<&str>, direction: Direction) {
    element(out, &partition.unwrap_or_default(), direction);
}

fn element(out: &mut Vec<u8>, v: &impl TuplePack, direction: Direction) {
    let packed = pack(&(v,));
    match direction {
        Direction::Ascending => out.extend_from_slice(&packed),
        // Where two encodings differ first, the complements differ the other way.
        Direction::Descending => out.extend(packed.iter().map(|b| !b)),
    }
}

/// The complement: sorts encodings backwards.
pub(super) fn complement(bytes: &[u8]) -> Bytes {
    bytes.iter().map(|b| !b).collect::<Vec<_>>().into()
}

/// The beginning of a text that is longer than any that is stored. It is longer, too, so they all compare with it as with the whole.
fn clamp(s: &str) -> &str {
    let end = (LONGEST + 1..s.len()).find(|end| s.is_char_boundary(*end));
    &s[..end.unwrap_or(s.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Timestamp;
    use proptest::prelude::*;
    use std::cmp::Ordering;
    use uuid::Uuid;

    /// Two values of one type, of each type.
    fn pair() -> impl Strategy<Value = (Scalar, Scalar)> {
        let both = |s: BoxedStrategy<Scalar>| (s.clone(), s).boxed();
        let text = prop_oneof!["[ab\u{1}é ]{0,4}", any::<String>().prop_map(|s| s.replace('\0', ""))];
        let float = prop_oneof![
            any::<f64>().prop_filter("a number", |f| !f.is_nan()),
            prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, f64::MIN_POSITIVE, f64::MAX, f64::MIN]),
        ];
        let whole = prop_oneof![any::<i64>(), -300..300i64, Just(i64::MIN), Just(i64::MAX)];
        prop_oneof![
            both(any::<bool>().prop_map(Scalar::from).boxed()),
            both(whole.clone().prop_map(Scalar::from).boxed()),
            both(whole.prop_map(|t| Scalar::Time(Timestamp(t))).boxed()),
            both(float.prop_map(Scalar::from).boxed()),
            both(text.prop_map(Scalar::from).boxed()),
            both(any::<u128>().prop_map(|n| Scalar::Uuid(Uuid::from_u128(n))).boxed()),
        ]
    }

    fn direction() -> impl Strategy<Value = Direction> {
        prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)]
    }

    proptest! {
        #[test]
        fn bytes_order_as_values(keys in prop::collection::vec((pair(), direction()), 1..5)) {
            let (mut a, mut b, mut expected) = (Vec::new(), Vec::new(), Ordering::Equal);
            for ((x, y), direction) in &keys {
                value(&mut a, x, *direction);
                value(&mut b, y, *direction);
                let o = x.compare(y).unwrap();
                expected = expected.then(if *direction == Direction::Descending { o.reverse() } else { o });
            }
            prop_assert_eq!(a.cmp(&b), expected);
            prop_assert_eq!(complement(&a).cmp(&complement(&b)), expected.reverse());
            prop_assert!(a[0] != 0xff);
        }
    }

    #[test]
    fn a_text_that_is_too_long_compares_as_a_whole() {
        let long = format!("{}é", "a".repeat(LONGEST));
        assert_eq!(clamp(&long), long);
        assert_eq!(clamp(&format!("{long}x")), long);
        assert_eq!(clamp("é"), "é");
        let encoded = |s: &str| {
            let mut out = Vec::new();
            value(&mut out, &Scalar::from(s), Direction::Ascending);
            out
        };
        assert!(encoded(&"a".repeat(LONGEST)) < encoded(&"a".repeat(5000)));
        assert!(encoded("b") > encoded(&"a".repeat(5000)));
    }
}
