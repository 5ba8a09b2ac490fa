use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Vec<(String, String)> {
    let variables = parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let pair = |it: &Variable| {
        (it.name.to_string(), String::from_utf8(it.value.expose().to_vec()).unwrap())
    };
    variables.iter().map(pair).collect()
}

fn value(text: &str) -> String {
    let found = read(text);
    assert_eq!(found.len(), 1, "{text}");
    found[0].1.clone()
}

fn refused(text: &str) -> Vec<Problem> {
    parse(text).err().unwrap_or_else(|| panic!("taken: {text}"))
}

#[test]
fn the_syntax_of_most_programs() {
    for (text, expected) in [
        ("A=b", "b"),
        ("A = b ", "b"),
        ("  export A=b\r\n", "b"),
        ("export\tA=b", "b"),
        ("\u{feff}A=b", "b"),
        ("A=b c # d", "b c"),
        ("A=b#c", "b#c"),
        ("A=b\t#c", "b"),
        ("A=$B and ${C}", "$B and ${C}"),
        ("A=b\\nc", "b\\nc"),
        ("A=b=c==", "b=c=="),
        ("A='b # c' # d", "b # c"),
        ("A='b\\nc'", "b\\nc"),
        ("A='b\"c'", "b\"c"),
        ("A=`b'\"c`", "b'\"c"),
        ("A=\"b # c\"", "b # c"),
        ("A=\"\\n\\r\\t\\\\\\\"\\$\\`\\x\"", "\n\r\t\\\"$`\\x"),
        ("A=\"b\nc\n\"", "b\nc\n"),
        ("A='-----BEGIN-----\nb\n-----END-----'", "-----BEGIN-----\nb\n-----END-----"),
        ("A=\"ü\"", "ü"),
        ("A=b'c'", "b'c'"),
    ] {
        assert_eq!(value(text), expected, "{text:?}");
    }
    let text = "# first\n\nA=1\n  # between\nB='2\n3'\nexport C=4\n\n#D=5";
    let expected = [("A", "1"), ("B", "2\n3"), ("C", "4")];
    assert_eq!(read(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let variables = parse(text).ok().unwrap();
    assert_eq!(variables.iter().map(|it| it.line).collect::<Vec<_>>(), [3, 5, 7]);
    assert!(parse("A=\"b\n\"").ok().unwrap()[0].ends_with_newline);
    assert!(parse("# nothing\n").ok().unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_told_by_line_and_without_the_text() {
    let text = "A=1\nsk_live_CANARY\nsk-live CANARY=2\nB=\nexport C\nA=3\n\
                D=\"CANARY\" CANARY\nE='CANARY\n";
    let problems = refused(text);
    let told: Vec<(usize, &str)> =
        problems.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "the line is no variable: it has no `=`"),
            (3, "what stands before the `=` is no name of a variable"),
            (4, "B has no value"),
            (5, "the line is no variable: it has no `=`"),
            (6, "A stands at line 1 too"),
            (7, "something follows the closing quote of D"),
            (8, "the quote that E begins with is not closed"),
        ]
    );
    for text in ["A=''", "A=\"\"", "A= # b", "A=\t"] {
        assert_eq!(refused(text)[0].what, "A has no value", "{text:?}");
    }
    assert_eq!(refused(&"x\n".repeat(100)).len(), PROBLEMS_MAX);
    let many: String = (0..=VARIABLES_MAX).map(|at| format!("A{at}=b\n")).collect();
    assert!(refused(&many)[0].what.contains("more than 1000 variables"));
    let long = format!("A={}", "b".repeat(VALUE_BYTES_MAX + 1));
    assert!(refused(&long)[0].what.contains("more than 65536 bytes"));
}

/// A value in double quotes, with escapes where they are needed.
fn in_quotes(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

proptest! {
    #[test]
    fn what_is_quoted_comes_back(values in prop::collection::vec("(?s).{1,20}", 0..8)) {
        let line = |(at, value): (usize, &String)| format!("A{at}={} # next\n", in_quotes(value));
        let text: String = values.iter().enumerate().map(line).collect();
        let found: Vec<String> = read(&text).into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn no_text_makes_a_panic(text in "(?s)[A-Za-z_ =\"'`\\\\\n\r\t#$ü]{0,80}") {
        let _ = parse(&text);
    }
}
