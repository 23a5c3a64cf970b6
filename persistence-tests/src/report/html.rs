//! The page.

use super::Report;

impl Report {
    /// One self-contained page.
    pub fn html(&self) -> String {
        String::new()
    }
}
