//! Progress bars; not drawn unless standard error is a terminal.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;

/// A bar with rate and time left.
pub(crate) fn bar(what: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX)).with_message(what);
    styled(bar, "{msg} [{bar:30}] {human_pos}/{human_len}  {rate}  {eta} left")
}

/// The same, of bytes.
pub(crate) fn bytes(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    styled(bar, "{msg} [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
}

/// How many, of nobody knows how many.
pub(crate) fn counter(what: &'static str) -> ProgressBar {
    styled(ProgressBar::no_length().with_message(what), "{spinner} {human_pos} {msg}  {rate}")
}

fn styled(bar: ProgressBar, template: &'static str) -> ProgressBar {
    // A template that does not parse would only cost the bar its looks.
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            write!(out, "{:.0}/s", state.per_sec()).ok();
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
    }
    bar
}
