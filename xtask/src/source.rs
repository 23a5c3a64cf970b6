//! Sizes of Rust code: lines with at least one token, so that neither comments nor empty lines count.

use anyhow::{Context as _, Result, anyhow};
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Whether what only tests compile is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    Counted,
    Skipped,
}

/// The size of one file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileSize {
    pub(crate) path: PathBuf,
    pub(crate) lines: usize,
}

/// The size of every `.rs` file below a directory. Files that are modules of tests only are left out if tests are.
pub(crate) fn sizes(dir: &Path, tests: Tests) -> Result<Vec<FileSize>> {
    let (mut sizes, mut test_files) = (Vec::new(), BTreeSet::new());
    for path in files(dir)? {
        let mut count = Count { tests, ..Count::default() };
        count.tokens(parse(&path)?);
        test_files.extend(count.test_modules.iter().flat_map(|m| m.files(&path)));
        sizes.push(FileSize { path, lines: count.lines.len() });
    }
    if tests == Tests::Skipped {
        sizes.retain(|f| !test_files.contains(&f.path));
    }
    Ok(sizes)
}

/// The number of methods that a trait declares in one of these files; none if there is no such trait.
pub(crate) fn methods(dir: &Path, name: &str) -> Result<Option<usize>> {
    for path in files(dir)? {
        if let Some(n) = trait_methods(parse(&path)?, name) {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

fn trait_methods(tokens: TokenStream, name: &str) -> Option<usize> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let at = tokens.windows(2).position(|w| is_ident(&w[0], "trait") && is_ident(&w[1], name));
    if let Some(at) = at {
        let body = tokens[at..].iter().find_map(|t| match t {
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => Some(g.stream()),
            _ => None,
        })?;
        return Some(body.into_iter().filter(|t| is_ident(t, "fn")).count());
    }
    tokens.into_iter().find_map(|t| match t {
        TokenTree::Group(g) => trait_methods(g.stream(), name),
        _ => None,
    })
}

/// Every `.rs` file below a directory, in order. A directory that is not there has none.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(found) };
    for entry in entries {
        let path = entry.with_context(|| dir.display().to_string())?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn parse(path: &Path) -> Result<TokenStream> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse().map_err(|e| anyhow!("{}: {e}", path.display()))
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(i) if i == name)
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == c)
}

/// `#[cfg(test)] mod name;`
#[derive(Debug)]
struct TestModule {
    name: String,
    path: Option<String>,
}

impl TestModule {
    /// The files that may hold it, declared in `parent`.
    fn files(&self, parent: &Path) -> Vec<PathBuf> {
        let dir = parent.parent().unwrap_or(Path::new(""));
        if let Some(path) = &self.path {
            return vec![dir.join(path)];
        }
        let stem = parent.file_stem().unwrap_or_default();
        let dir =
            if ["lib", "main", "mod"].iter().any(|s| stem == *s) { dir.to_owned() } else { dir.join(stem) };
        vec![dir.join(format!("{}.rs", self.name)), dir.join(&self.name).join("mod.rs")]
    }
}

#[derive(Debug)]
struct Count {
    tests: Tests,
    lines: BTreeSet<usize>,
    test_modules: Vec<TestModule>,
}

impl Default for Count {
    fn default() -> Self {
        Count { tests: Tests::Skipped, lines: BTreeSet::new(), test_modules: Vec::new() }
    }
}

impl Count {
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let Some((attribute, after)) = attribute(&tokens, at) else {
                self.token(token);
                at += 1;
                continue;
            };
            if self.tests == Tests::Skipped && attribute.to_string().replace(' ', "") == "cfg(test)" {
                at = self.test_item(&tokens, after);
                continue;
            }
            if !is_doc(&attribute) {
                tokens[at..after].iter().for_each(|t| self.token(t));
            }
            at = after;
        }
    }

    fn token(&mut self, token: &TokenTree) {
        let TokenTree::Group(g) = token else { return self.span(token.span()) };
        self.span(g.span_open());
        self.tokens(g.stream());
        self.span(g.span_close());
    }

    fn span(&mut self, span: Span) {
        self.lines.extend(span.start().line..=span.end().line);
    }

    /// Goes past the item that begins here, and remembers it if it is a module in another file.
    fn test_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        let mut path = None;
        while let Some((attribute, after)) = attribute(tokens, at) {
            path = path.or_else(|| path_attribute(&attribute));
            at = after;
        }
        let is_use = tokens[at..].iter().take(2).any(|t| is_ident(t, "use"));
        let ends = |t: &TokenTree| {
            is_punct(t, ';')
                || !is_use && matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace)
        };
        let end = tokens[at..].iter().position(ends).map_or(tokens.len(), |n| at + n + 1);
        if let [.., keyword, TokenTree::Ident(name), semicolon] = &tokens[at..end]
            && is_ident(keyword, "mod")
            && is_punct(semicolon, ';')
        {
            self.test_modules.push(TestModule { name: name.to_string(), path });
        }
        end
    }
}

/// The attribute that begins here, without its brackets, and where it ends.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(TokenStream, usize)> {
    let bracketed = |t: &TokenTree| match t {
        TokenTree::Group(g) if g.delimiter() == Delimiter::Bracket => Some(Group::stream(g)),
        _ => None,
    };
    if !is_punct(tokens.get(at)?, '#') {
        return None;
    }
    let inner = is_punct(tokens.get(at + 1)?, '!');
    let group = at + 1 + usize::from(inner);
    Some((bracketed(tokens.get(group)?)?, group + 1))
}

/// A doc comment is an attribute to whoever reads tokens.
fn is_doc(attribute: &TokenStream) -> bool {
    attribute.clone().into_iter().next().is_some_and(|t| is_ident(&t, "doc"))
}

/// `path = "x.rs"`
fn path_attribute(attribute: &TokenStream) -> Option<String> {
    let tokens: Vec<_> = attribute.clone().into_iter().collect();
    match tokens.as_slice() {
        [name, equals, TokenTree::Literal(path)] if is_ident(name, "path") && is_punct(equals, '=') => {
            Some(path.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, tests: Tests) -> Count {
        let mut count = Count { tests, ..Count::default() };
        count.tokens(text.parse().unwrap());
        count
    }

    const CODE: &str = r##"//! A crate.

/* not
   code */
use a::{b, c};

/// Says something.
#[derive(Debug)]
pub struct S {
    /// A field.
    field: u8, // trailing
}

const TEXT: &str = "two
lines";

#[cfg(test)]
use x::{y, z};

#[cfg(test)]
#[path = "s_tests.rs"]
mod tests;

#[cfg(test)]
mod more {
    fn f() {}
}

impl S {
    #[cfg(test)]
    fn only_in_tests(&self) {}

    fn last(&self) {}
}
"##;

    #[test]
    fn comments_empty_lines_and_tests_do_not_count() {
        let n = count(CODE, Tests::Skipped);
        // use, derive, struct, field, brace, two of text, impl, last, brace.
        assert_eq!(n.lines.len(), 10, "{:?}", n.lines);
        assert_eq!(n.test_modules[0].files(Path::new("src/s.rs")), [Path::new("src/s_tests.rs")]);
        assert_eq!(count(CODE, Tests::Counted).lines.len(), 21);
    }

    #[test]
    fn modules_are_found_where_the_compiler_finds_them() {
        let m = TestModule { name: "t".to_owned(), path: None };
        assert_eq!(m.files(Path::new("src/lib.rs"))[0], Path::new("src/t.rs"));
        assert_eq!(m.files(Path::new("src/a.rs"))[0], Path::new("src/a/t.rs"));
    }

    #[test]
    fn the_methods_of_a_trait_are_counted_wherever_it_stands() {
        let text = "mod m { trait Other { fn x(); } pub trait T: Send { const C: u8; fn a(&self); async fn b(f: fn()) { fn c() {} } } }";
        assert_eq!(trait_methods(text.parse().unwrap(), "T"), Some(2));
        assert_eq!(trait_methods(text.parse().unwrap(), "U"), None);
    }
}
