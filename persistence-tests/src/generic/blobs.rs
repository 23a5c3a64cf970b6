//! Payloads that a store must keep, whatever is in them.

use persistence_core::{Blob, Encoding};

/// Empty, large, binary, and of encodings that nobody knows; with a checksum and without.
pub(crate) fn odd_blobs() -> Vec<Blob> {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let plain = [
        Blob::default(),
        Blob::new(Encoding::UNSPECIFIED, Vec::new()),
        Blob::new(Encoding::PROTO3, every_byte),
        Blob::new(Encoding(u16::MAX), vec![0; 3]),
        Blob::new(Encoding(777), "\u{0}\u{1F600}\u{0}".as_bytes().to_vec()),
        Blob::json("null"),
        Blob::new(Encoding::PROTO3, large()),
    ];
    plain.into_iter().flat_map(|b| [b.clone(), b.with_checksum()]).collect()
}

/// Two and a half megabytes that do not compress to nothing.
pub(crate) fn large() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| rng.u8(..)).take(2_500_000).collect()
}

/// The blob with a checksum that is not its own.
pub(crate) fn broken(blob: Blob) -> Blob {
    let blob = blob.with_checksum();
    Blob { checksum: blob.checksum.map(|c| c ^ 1), ..blob }
}

/// Names at the edge of what is allowed: all different, all kept byte by byte.
pub(crate) fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a",
        "A",
        "á",
        "a\u{301}",
        " a",
        "a ",
        "a  ",
        " ",
        "\t",
        "\n",
        "'",
        "\"",
        "`",
        "\\",
        "%",
        "_",
        "a%",
        "a_",
        "a/b",
        "a:b",
        "a;DROP TABLE shards;--",
        "ſ",
        "ß",
        "ss",
        "İ",
        "i",
        "ı",
        "\u{1F600}",
        "\u{1F468}\u{200D}\u{1F469}",
        "\u{FEFF}a",
        "\u{FFFF}",
        "\u{10FFFF}",
        "\u{1}",
        "\u{7F}",
        "\u{80}",
        "null",
        "0",
        "00",
        "-1",
        "日本語",
        "שלום",
    ]
    .map(str::to_owned)
    .into();
    names.extend([
        "x".repeat(255),
        "x".repeat(254),
        "é".repeat(255),
        "\u{1F600}".repeat(255),
        " ".repeat(255),
        format!("{}y", "x".repeat(254)),
    ]);
    names
}

/// Names that nobody may use.
pub(crate) fn bad_names() -> Vec<String> {
    vec![
        String::new(),
        "x".repeat(256),
        "é".repeat(256),
        "\u{1F600}".repeat(256),
        "x".repeat(10_000),
        "\0".to_owned(),
        "a\0".to_owned(),
        "\0a".to_owned(),
        "a\0b".to_owned(),
    ]
}

#[test]
fn odd_names_are_different() {
    let names = odd_names();
    let set: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(set.len(), names.len());
    assert!(names.iter().all(|n| persistence_core::validate::name("n", n).is_ok()));
    assert!(bad_names().iter().all(|n| persistence_core::validate::name("n", n).is_err()));
}
