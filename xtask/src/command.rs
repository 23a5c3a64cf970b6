//! Running other programs, and reading what test programs say at their end.

use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::ops::AddAssign;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let set = command.get_envs().filter_map(|(k, v)| Some((k.to_str()?, v?.to_string_lossy())));
    let words = set.map(|(k, v)| format!("{k}={v}")).chain([name]);
    let words = words.chain(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.collect::<Vec<_>>().join(" ")
}

/// Runs a command with its output shown.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    ensure!(status.success(), "{}: {status}", shown(command));
    Ok(())
}

/// Runs a command and takes what it writes on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    ensure!(out.status.success(), "{}: {}", shown(command), out.status);
    String::from_utf8(out.stdout).with_context(|| format!("{} wrote no UTF-8", shown(command)))
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl Counts {
    /// From the closing line of a test program: `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let number = |what: &str| {
            let part = counts.split(';').find_map(|p| p.trim().strip_suffix(what))?;
            part.trim().parse().ok()
        };
        Some(Counts { passed: number("passed")?, failed: number("failed")?, ignored: number("ignored")? })
    }
}

/// What test programs came to.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    pub(crate) counts: Counts,
    /// Whether the command itself did not end well; it may not although no test failed.
    pub(crate) bad_end: bool,
    /// What the programs wrote of the tests that failed, and their names.
    pub(crate) failures: Vec<String>,
    /// Whether the lines that come now tell of failures.
    pub(crate) telling: bool,
}

impl Tested {
    /// Takes a line of a test program. What it tells of failures stands between `failures:` and the closing line.
    fn line(&mut self, line: &str) {
        if let Some(counts) = Counts::parse(line) {
            self.counts += counts;
            self.telling = false;
        }
        self.telling |= line == "failures:";
        if self.telling && !line.is_empty() && line != "failures:" {
            self.failures.push(line.to_owned());
        }
    }

    /// Adds what a later command came to.
    pub(crate) fn add(&mut self, later: Tested) {
        self.counts += later.counts;
        self.bad_end |= later.bad_end;
        self.failures.extend(later.failures);
    }
}

/// Runs a command that runs tests, and adds up what they tell. Every line is handed to `line`.
pub(crate) fn tests(command: &mut Command, mut line: impl FnMut(&str)) -> Result<Tested> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {}", shown(command)))?;
    let mut tested = Tested::default();
    if let Some(out) = child.stdout.take() {
        lines(out, |text| {
            line(text);
            tested.line(text);
        })?;
    }
    tested.bad_end = !child.wait().context("waiting for the tests")?.success();
    Ok(tested)
}

/// Tests may print anything, so lines are not held to be UTF-8.
fn lines(out: impl Read, mut each: impl FnMut(&str)) -> Result<()> {
    let mut out = BufReader::new(out);
    let mut bytes = Vec::new();
    while out.read_until(b'\n', &mut bytes).context("reading the output of tests")? > 0 {
        each(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']));
        bytes.clear();
    }
    Ok(())
}

/// Prints a line at once: what reads it may be watching.
pub(crate) fn echo(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no reason to stop testing.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 7 filtered out; finished in 0.1s";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 12, failed: 3, ignored: 4 }));
        assert_eq!(Counts::parse("test result: something else"), None);
        assert_eq!(Counts::parse("test shard::get ... ok"), None);
    }

    #[test]
    fn what_is_told_of_failures_is_kept() {
        let output = "\
running 2 tests
test a ... ok
test b ... FAILED

failures:

---- b stdout ----
it broke

failures:
    b

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
running 0 tests";
        let mut tested = Tested::default();
        output.lines().for_each(|l| tested.line(l));
        assert_eq!(tested.failures, ["---- b stdout ----", "it broke", "    b"]);
        assert_eq!(tested.counts, Counts { passed: 1, failed: 1, ignored: 0 });
    }

    #[test]
    fn output_that_is_not_text_ends_nothing() {
        let mut seen = Vec::new();
        lines(&b"a\xff\r\nb\n\nc"[..], |l| seen.push(l.to_owned())).unwrap();
        assert_eq!(seen, ["a\u{fffd}", "b", "", "c"]);
    }
}
