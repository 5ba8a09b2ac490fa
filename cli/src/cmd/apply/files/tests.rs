use super::*;
use crate::failure::Exit;

#[test]
fn files_have_limits_together() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half.json");
    std::fs::write(&half, vec![b' '; MANIFEST_BYTES_MAX / 2]).unwrap();
    let two = vec![half.clone(), half.clone()];
    assert_eq!(read_all(&two).unwrap().len(), 2);
    let one = folder.path().join("one.json");
    std::fs::write(&one, b"x").unwrap();
    let failure = read_all(&[half.clone(), half.clone(), one]).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.to_string().contains("one.json"), "{failure}");
    let many = vec![folder.path().join("none.json"); MANIFEST_FILES_MAX + 1];
    assert!(read_all(&many).unwrap_err().to_string().contains("at most 64"));
    assert!(read_all(&["-".into(), "-".into()]).is_err());
}
