use super::*;

#[test]
fn versions_are_ordered_by_number_and_other_folders_left_out() {
    let place = tempfile::tempdir().expect("a folder");
    for name in ["9", "15", "17", "common"] {
        fs::create_dir(place.path().join(name)).expect("a folder");
    }
    let wanted = ["17", "15", "9"].map(|version| place.path().join(version).join("bin"));
    assert_eq!(newest_first(place.path()), wanted);
}

#[test]
fn a_place_that_is_not_there_holds_nothing() {
    assert!(newest_first(Path::new("/nonexistent")).is_empty());
}
