//! Sizes: what does not fit on a few screens is two things.

use super::source::{Finding, Source};

const FILE_LINES_MAX: usize = 500;
const MAIN_LINES_MAX: usize = 60;
const LINE_CHARS_MAX: usize = 100;
const ARTICLE: &str = "docs/examples/article/";

pub(crate) fn lengths(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree {
        // What somebody else wrote is there as it stands.
        let foreign = source.path.starts_with(ARTICLE);
        if foreign || !["rs", "proto", "sql", "sh"].iter().any(|end| source.path.ends_with(end)) {
            continue;
        }
        let lines = source.text.lines().count();
        let main = source.path.ends_with("/src/main.rs");
        let max = if main { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        // A wire file is as long as its service.
        if lines > max && !source.path.ends_with(".proto") {
            found.push(source.finding(0, format!("{lines} lines; at most {max}")));
        }
        for (at, line) in source.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                let problem = format!("{chars} characters in a line; at most {LINE_CHARS_MAX}");
                found.push(Finding { path: source.path.clone(), line: at + 1, problem });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_and_lines_are_found() {
        let long = "x\n".repeat(501);
        assert_eq!(lengths(&[Source::new("broker/src/a.rs", &long)]).len(), 1);
        assert_eq!(lengths(&[Source::new("broker/src/main.rs", &long[..122])]).len(), 1);
        let wide = format!("a\n{}\n", "é".repeat(101));
        assert_eq!(lengths(&[Source::new("broker/src/a.rs", &wide)])[0].line, 2);
        assert!(lengths(&[Source::new("broker/src/a.rs", &long[..1000])]).is_empty());
        assert!(lengths(&[Source::new("docs/a.md", &wide)]).is_empty());
        assert!(lengths(&[Source::new("docs/examples/article/4.1.sh", &wide)]).is_empty());
        assert_eq!(lengths(&[Source::new("docs/examples/rotators/a.sh", &wide)]).len(), 1);
    }
}
