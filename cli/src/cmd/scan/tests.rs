use super::*;

/// Put together here: as a literal it would alarm other scanners.
fn stripe() -> String {
    format!("sk_{}_{}", "live", "51HfTxKJ2eZvKYlo2C8nqXw4")
}

#[test]
fn a_finding_has_its_line_and_its_column_in_characters() {
    let lines = found("a.yaml", &format!("x: 1\nä: {}\n", stripe()));
    assert_eq!((lines[0].line, lines[0].column), (2, 4));
    assert_eq!((lines.len(), lines[0].finding.id), (1, "stripe-key"));
}

#[test]
fn folders_are_read_but_for_what_is_ignored_binary_or_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(".gitignore", b"ignored.env\n");
    write("ignored.env", b"x");
    write(".env", b"x");
    write(".git/config", b"x");
    write("sub/binary", b"a\0b");
    write("sub/large", &vec![b' '; usize::try_from(source::FILE_BYTES_MAX).unwrap() + 1]);
    let read = |no_ignore| {
        let sources = source::all(&[folder.path().to_owned()], no_ignore);
        let text = |source: &Source| matches!(source.read(), Ok(source::Read::Text(_)));
        let mut names: Vec<String> = sources.iter().filter(|it| text(it)).map(short).collect();
        names.sort();
        names
    };
    assert_eq!(read(false), [".env", ".gitignore"]);
    assert_eq!(read(true), [".env", ".gitignore", "ignored.env"]);
}

fn short(source: &Source) -> String {
    source.shown.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_baseline_knows_what_was_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.json");
    let old = found("a.env", &format!("K={}\n", stripe()));
    Baseline::write(&path, &old).unwrap();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("51HfTx"));
    let baseline = Baseline::read(&path).unwrap();
    let moved = found("a.env", &format!("\n\nK={}\nL={}\n", stripe(), stripe()));
    let news: Vec<bool> = moved.iter().map(|line| !baseline.knows(&line.fingerprint)).collect();
    assert_eq!(news, [false, true]);
}
