use super::*;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use std::io::Write as _;

fn forms_found(canary: &Canary, content: &[u8]) -> Vec<&'static str> {
    let mut scanner = Scanner::new([canary]).expect("a scanner");
    scanner.bytes("here", content);
    scanner.leaks().iter().map(|leak| leak.form).collect()
}

#[test]
fn plain_forms_are_found_in_the_midst_of_other_bytes() {
    let canary = Canary::new("plain");
    let forms = [
        canary.bytes().to_vec(),
        hex(canary.bytes()).into_bytes(),
        hex(canary.bytes()).to_uppercase().into_bytes(),
        percent(canary.bytes()).into_bytes(),
        format!("{:?}", canary.bytes()).into_bytes(),
        canary.value().encode_utf16().flat_map(u16::to_le_bytes).collect(),
        canary.value().encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ];
    for form in forms {
        let content = [b"before\xff".as_slice(), &form, b"\0after"].concat();
        assert!(!forms_found(&canary, &content).is_empty(), "{:?}", form.escape_ascii());
    }
}

#[test]
fn base64_is_found_at_every_alignment_and_in_both_alphabets() {
    let canary = Canary::new("base64");
    for skip in 0..9 {
        for tail in 0..4 {
            let whole = [&b"neighbour"[..skip], canary.bytes(), &b"next"[..tail]].concat();
            let standard = BASE64_STANDARD.encode(&whole);
            assert!(forms_found(&canary, standard.as_bytes()).contains(&"in base64"), "{skip}");
            let url = BASE64_URL_SAFE.encode(&whole);
            assert!(forms_found(&canary, url.as_bytes()).contains(&"in base64url"), "{skip}");
        }
    }
}

#[test]
fn compressed_bytes_are_looked_into_even_where_they_break_off() {
    let canary = Canary::new("compressed");
    let text = [canary.bytes(), &[7; 5000]].concat();
    let mut gzip = GzEncoder::new(b"head".to_vec(), Compression::default());
    gzip.write_all(&text).expect("memory");
    let mut gzip = gzip.finish().expect("memory");
    assert_eq!(forms_found(&canary, &gzip), ["as it is"]);
    gzip.truncate(gzip.len() - 6);
    assert_eq!(forms_found(&canary, &gzip), ["as it is"]);
    for level in [Compression::none(), Compression::fast(), Compression::best()] {
        let mut zlib = ZlibEncoder::new(b"head".to_vec(), level);
        zlib.write_all(&text).expect("memory");
        assert!(!forms_found(&canary, &zlib.finish().expect("memory")).is_empty());
    }
}

#[test]
fn another_canary_and_random_bytes_are_no_leak() {
    let (canary, other) = (Canary::new("one"), Canary::new("one"));
    assert_ne!(canary, other);
    assert!(forms_found(&canary, other.bytes()).is_empty());
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
    assert!(forms_found(&canary, &noise).is_empty());
}

#[test]
fn folders_are_searched_to_the_bottom_and_links_not_followed() {
    let canary = Canary::new("folder");
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("a/b");
    fs::create_dir_all(&deep).expect("folders");
    fs::write(deep.join("file"), canary.bytes()).expect("a file");
    std::os::unix::fs::symlink("/", deep.join("link")).expect("a link");
    let mut scanner = Scanner::new([&canary]).expect("a scanner");
    scanner.path(folder.path()).expect("a scan");
    assert_eq!(scanner.leaks().len(), 1);
    assert!(scanner.leaks()[0].place.ends_with("a/b/file"));
    assert_eq!(scanner.scanned_bytes(), canary.bytes().len() as u64);
    scanner.path(Path::new("/nonexistent")).expect("nothing to scan");
}

#[test]
fn the_environment_and_the_arguments_of_a_process_are_seen() {
    let canary = Canary::new("process");
    let mut child = std::process::Command::new("tail")
        .args(["-f", "/dev/null", "/dev/null"])
        .env("LEAK", canary.value())
        .spawn()
        .expect("a process");
    let mut scanner = Scanner::new([&canary]).expect("a scanner");
    // The kernel sets a new program's environment after it has let its parent go on.
    let place = format!("/proc/{}/environ", child.id());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while fs::read(&place).expect("a process").is_empty() {
        assert!(std::time::Instant::now() < deadline, "the process has no environment");
        std::thread::yield_now();
    }
    scanner.process(child.id()).expect("a process");
    child.kill().expect("a child");
    child.wait().expect("an end");
    assert!(scanner.leaks().iter().any(|leak| leak.place.ends_with("environ")));
}
