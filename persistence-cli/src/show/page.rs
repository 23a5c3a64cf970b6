//! Page tokens on the command line.

use anyhow::{Result, bail};
use persistence::{PageRequest, PageToken};

/// A token as it is typed.
pub(crate) fn encode(token: &PageToken) -> String {
    token.as_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// The first page, or the one after a token.
pub(crate) fn request(limit: u32, token: Option<&str>) -> Result<PageRequest> {
    Ok(match token {
        None => PageRequest::first(limit),
        Some(text) => PageRequest::after(limit, PageToken::from_bytes(decode(text)?)),
    })
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => bail!("--page: not a token of an earlier page"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_command_line() {
        let token = PageToken::from_bytes(vec![0, 15, 255]);
        assert_eq!(encode(&token), "000fff");
        assert_eq!(request(5, Some("000fff")).unwrap().token, Some(token));
        for bad in ["0", "xy", "é"] {
            assert!(request(5, Some(bad)).is_err());
        }
    }
}
