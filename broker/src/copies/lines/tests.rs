use super::*;
use secretref_domain::id::BrokerId;
use tempfile::TempDir;

const LANE: BrokerId = BrokerId(Uuid::from_u128(7));

fn settings(folder: &TempDir) -> AuditFile {
    AuditFile { path: folder.path().join("audit.log"), bytes_max: 400, files_max: 2 }
}

fn line(seq: i64) -> Vec<u8> {
    format!("{{\"lane\":\"{}\",\"seq\":{seq},\"reason\":\"{:040}\"}}\n", LANE.0, seq).into_bytes()
}

fn numbers(path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<Place>(line).unwrap().seq).collect()
}

#[test]
fn it_goes_on_where_it_stopped_and_turns_when_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    for seq in 1..=11 {
        let mut lines = Lines::open(settings.clone(), LANE).unwrap();
        assert_eq!(lines.last(), seq - 1);
        lines.put(&line(seq), seq).unwrap();
    }
    let all: Vec<Vec<i64>> = [numbered(&settings.path, 2), numbered(&settings.path, 1)]
        .iter()
        .chain([&settings.path])
        .map(|path| numbers(path))
        .collect();
    // As many as fit into 400 bytes; of those that are full two are kept.
    assert_eq!(all, [vec![4, 5, 6], vec![7, 8, 9], vec![10, 11]]);
    assert!(!numbered(&settings.path, 3).exists());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&settings.path).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn half_a_line_is_taken_away_and_a_full_file_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let mut lines = Lines::open(settings.clone(), LANE).unwrap();
    lines.put(&[line(1), line(2)].concat(), 2).unwrap();
    for end in 1..line(3).len() {
        let whole = [line(1), line(2)].concat();
        fs::write(&settings.path, [&whole[..], &line(3)[..end]].concat()).unwrap();
        assert_eq!(Lines::open(settings.clone(), LANE).unwrap().last(), 2);
        assert_eq!(fs::read(&settings.path).unwrap(), whole);
    }
    // Half of the only line there is.
    fs::write(&settings.path, &line(1)[..9]).unwrap();
    assert_eq!(Lines::open(settings.clone(), LANE).unwrap().last(), 0);
    // It was moved away, and the broker stopped before anything was written.
    fs::write(&settings.path, line(9)).unwrap();
    fs::rename(&settings.path, numbered(&settings.path, 1)).unwrap();
    assert_eq!(Lines::open(settings.clone(), LANE).unwrap().last(), 9);
    // A line that is longer than what is read at once.
    let long =
        format!("{{\"lane\":\"{}\",\"seq\":12,\"r\":\"{}\"}}\n", LANE.0, "x".repeat(200_000));
    fs::write(&settings.path, [line(11), long.into_bytes()].concat()).unwrap();
    assert_eq!(Lines::open(settings.clone(), LANE).unwrap().last(), 12);
}

#[test]
fn what_somebody_else_wrote_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let other = BrokerId(Uuid::from_u128(8));
    Lines::open(settings.clone(), LANE).unwrap().put(&line(1), 1).unwrap();
    let refused = Lines::open(settings.clone(), other).err().unwrap().to_string();
    assert!(refused.contains("another broker's") && refused.contains("[audit_file]"), "{refused}");
    fs::write(&settings.path, "somebody's notes\n").unwrap();
    let refused = Lines::open(settings.clone(), LANE).err().unwrap().to_string();
    assert!(refused.contains("no entry"), "{refused}");
    assert_eq!(fs::read(&settings.path).unwrap(), b"somebody's notes\n");
    fs::remove_file(&settings.path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &settings.path).unwrap();
    assert!(Lines::open(settings, LANE).is_err(), "it followed a link");
}
