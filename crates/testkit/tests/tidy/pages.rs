//! Text: nothing left for later, no machine named, a page for each plugin, a comment for each
//! field of the wire.

use super::source::{Finding, Source};

/// Words of unfinished work and paths of somebody's machine, in two halves so that this file is
/// not an offender.
const LEFTOVERS: [(&str, &str); 7] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X:"),
    ("/wo", "rk/"),
    ("/ro", "ot/.cargo"),
    ("/tmp/", "brief"),
    ("/tmp/", "scratch"),
];

pub(crate) fn leftovers(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree {
        for (start, end) in LEFTOVERS {
            let word = format!("{start}{end}");
            for (at, _) in source.text.match_indices(&word) {
                found.push(source.finding(at, format!("`{word}` is left lying here")));
            }
        }
    }
    found
}

/// Folders whose files are plugins, and the folder of their pages.
const PLUGINS: [(&str, &str); 3] = [
    ("broker/src/providers/", "docs/providers/"),
    ("broker/src/rotators/", "docs/rotators/"),
    ("broker/src/notifiers/", "docs/notifiers/"),
];

pub(crate) fn plugins(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (folder, pages) in PLUGINS {
        for source in tree {
            let Some(file) = source.path.strip_prefix(folder) else { continue };
            let Some(name) = file.strip_suffix(".rs") else { continue };
            let page = format!("{pages}{name}.md");
            // What several plugins share is none.
            let shared = ["tests", "conformance", "record", "json", "way_out"].contains(&name);
            let part = name.contains('/') || shared;
            if !part && tree.iter().all(|other| other.path != page) {
                found.push(source.finding(0, format!("has no page {page}")));
            }
        }
    }
    found
}

pub(crate) fn wire(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.path.ends_with(".proto")) {
        let mut before = "";
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim();
            if declares(line) && !before.starts_with("//") {
                let problem = format!("`{line}` has no comment");
                found.push(Finding { path: source.path.clone(), line: at + 1, problem });
            }
            before = line;
        }
    }
    found
}

/// Whether a line declares a message, a service, an enum, a method, a field or an enum's value.
fn declares(line: &str) -> bool {
    let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if starts(&["message ", "service ", "enum ", "rpc ", "oneof "]) {
        return true;
    }
    let numbered = line.split_once(" = ").is_some_and(|(_, number)| {
        number.starts_with(|first: char| first.is_ascii_digit()) && number.ends_with(';')
    });
    numbered && !starts(&["//", "option ", "reserved ", "syntax "])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found_in_code_and_comments() {
        let text = format!("a\n// {}{} later\n", "TO", "DO");
        assert_eq!(leftovers(&[Source::new("docs/a.md", &text)])[0].line, 2);
        assert!(leftovers(&[Source::new("docs/a.md", "to do")]).is_empty());
    }

    #[test]
    fn a_plugin_without_a_page_is_found() {
        let source = || Source::new("broker/src/providers/vault.rs", "");
        let part = || Source::new("broker/src/providers/vault/client.rs", "");
        assert_eq!(plugins(&[source(), part()]).len(), 1);
        let page = Source::new("docs/providers/vault.md", "");
        assert!(plugins(&[source(), part(), page]).is_empty());
    }

    #[test]
    fn a_field_without_a_comment_is_found() {
        let text = "// A.\nmessage A {\n  // B.\n  string b = 1;\n  bytes c = 2;\n}\n\nenum D {\n";
        let lines: Vec<usize> = wire(&[Source::new("proto/a.proto", text)])
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [5, 8]);
    }
}
