//! Tests: all of them run, and they wait for what happens, never for time to pass.

use super::source::{Finding, Source};

/// Ways to wait for time. `wait::eventually` of the testkit is the one place that polls.
const SLEEPS: [&str; 4] = ["thread::sleep", "time::sleep", "sleep_until", "thread::park_timeout"];

pub(crate) fn tests(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.is_rust()) {
        found.extend(ignored(source));
        if source.is_test() {
            for word in SLEEPS {
                found.extend(source.findings(word, "a test waits for an event, with a deadline"));
            }
        } else {
            let problem = "tests are in a file of their own, `tests.rs`";
            found.extend(source.findings("mod tests {", problem));
        }
    }
    found
}

/// Tests that nobody runs. One whose reason names, in backticks, the test that runs it as a process
/// of its own is run.
fn ignored(source: &Source) -> impl Iterator<Item = Finding> + '_ {
    source.words("#[ignore").filter_map(|at| {
        let reason = source.text[at..].split(']').next().unwrap_or_default();
        let problem = "`#[ignore`: a test that is not run proves nothing";
        (!reason.contains('`')).then(|| source.finding(at, problem))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_tests_are_found() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() { std::thread::sleep(LONG) }";
        assert_eq!(tests(&[Source::new("broker/src/a/tests.rs", text)]).len(), 2);
        let text = "#[ignore = \"run by `the_other`\"]";
        assert!(tests(&[Source::new("broker/src/a/tests.rs", text)]).is_empty());
        let text = "mod tests {\n fn a() { tokio::time::sleep(LONG).await } }";
        assert_eq!(tests(&[Source::new("broker/src/a.rs", text)]).len(), 1);
        assert_eq!(tests(&[Source::new("cli/tests/it.rs", text)]).len(), 1);
        assert!(tests(&[Source::new("broker/src/a.rs", "mod tests;")]).is_empty());
    }
}
