use super::*;
use std::{io::Write, process::Command};

fn value(bytes: &[u8]) -> SecretValue {
    SecretValue::new(bytes.to_vec()).unwrap()
}

#[test]
fn a_shell_reads_the_same_bytes() {
    let texts = [
        "plain",
        " spaced ",
        "two\nlines\n",
        "# no comment",
        "a=b",
        "\"double\"",
        "$HOME `id` $(id) !x",
        "back\\slash \\n",
        "schlüssel 🔑",
        "tab\tend",
    ];
    let names: Vec<EnvVar> =
        (0..texts.len()).map(|at| EnvVar::parse(&format!("V{at}")).unwrap()).collect();
    let values: Vec<SecretValue> = texts.iter().map(|text| value(text.as_bytes())).collect();
    assert!(values.iter().all(|value| refuse(value).is_none()));
    let content = content(names.iter().zip(&values)).unwrap();
    let lengths = names.iter().zip(&values).map(|(name, value)| line_bytes(name, value));
    assert_eq!(content.len(), lengths.sum::<usize>());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.expose()).unwrap();
    for (name, text) in names.iter().zip(texts) {
        let script = format!(". \"$0\"; printf %s \"${name}\"");
        let shell = Command::new("/bin/sh").args(["-c", &script]).arg(file.path()).output();
        assert_eq!(shell.unwrap().stdout, text.as_bytes(), "{text:?}");
    }
}

#[test]
fn what_readers_do_not_read_alike_is_refused() {
    for text in ["it's", "end\\", "a\\\\b", "${HOME}", "a\r\nb", "a\0b"] {
        assert!(refuse(&value(text.as_bytes())).is_some(), "{text:?}");
    }
    assert!(refuse(&value(&[0xff])).is_some());
}

#[test]
fn there_is_no_file_without_a_line_or_beyond_its_limit() {
    assert!(content(std::iter::empty()).is_none());
    let (name, long) = (EnvVar::parse("V").unwrap(), value(&vec![b'x'; BYTES_MAX]));
    assert!(content([(&name, &long)].into_iter()).is_none());
}
