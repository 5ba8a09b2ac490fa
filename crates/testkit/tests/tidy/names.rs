//! Names: from the field, and saying what is in the room.

use super::source::{Finding, Source, is_word};

/// Names that say nothing.
const EMPTY_NAMES: [&str; 14] = [
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "core", "base",
    "handler", "handlers", "impl", "stuff",
];
/// Ends of a type's name that say nothing.
const EMPTY_ENDS: [&str; 8] =
    ["Manager", "Helper", "Handler", "Utils", "Util", "Data", "Info", "Impl"];
/// Rooms that implement traits of others, whose methods are called `get_…`: the generated services,
/// and the template engine's objects.
const SERVICES: [&str; 2] = ["broker/src/grpc/", "sidecar/src/sinks/templates/names.rs"];

pub(crate) fn names(tree: &[Source]) -> Vec<Finding> {
    tree.iter().filter(|source| source.is_rust()).flat_map(names_in).collect()
}

fn names_in(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in source.path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            found.push(source.finding(0, format!("`{part}` says nothing of what is in the room")));
        }
    }
    for word in ["struct ", "enum ", "trait "] {
        for at in source.words(word) {
            let name = name_at(&source.code[at + word.len()..]);
            if EMPTY_ENDS.iter().any(|end| name.ends_with(end)) {
                let problem = format!("`{name}`: its last word says nothing");
                found.push(source.finding(at, problem));
            }
        }
    }
    let service = source.is_test() || SERVICES.iter().any(|at| source.path.starts_with(at));
    for at in source.words("fn ") {
        let name = name_at(&source.code[at + "fn ".len()..]);
        if name.starts_with("get_") && !service {
            found.push(source.finding(at, format!("`{name}`: an accessor has no `get_`")));
        }
    }
    found
}

fn name_at(code: &str) -> &str {
    let end = code.find(|character| !is_word(character)).unwrap_or(code.len());
    &code[..end]
}

pub(crate) fn mod_files(tree: &[Source]) -> Vec<Finding> {
    let problem = "a room is `foo.rs` beside `foo/`";
    tree.iter()
        .filter(|source| source.path.ends_with("/mod.rs"))
        .map(|source| source.finding(0, problem))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found() {
        assert_eq!(names(&[Source::new("broker/src/store/utils.rs", "")]).len(), 1);
        assert_eq!(names(&[Source::new("broker/src/common/a.rs", "")]).len(), 1);
        let text = "pub struct AgentInfo;\nfn get_agent() {}\nenum Kind {}\n// struct OldData";
        assert_eq!(names(&[Source::new("broker/src/a.rs", text)]).len(), 2);
        assert_eq!(names(&[Source::new("broker/src/grpc/admin/a.rs", text)]).len(), 1);
        assert!(names(&[Source::new("broker/src/score.rs", "fn budget() {}")]).is_empty());
    }

    #[test]
    fn a_mod_file_is_found() {
        assert_eq!(mod_files(&[Source::new("broker/src/store/mod.rs", "")]).len(), 1);
        assert!(mod_files(&[Source::new("broker/src/mode.rs", "")]).is_empty());
    }
}
