use super::*;
use uuid::Uuid;

fn checkpoint() -> Checkpoint {
    let lane = |lane, seq| (BrokerId(Uuid::from_u128(lane)), LaneEnd { seq, hash: [9; 32] });
    Checkpoint {
        origin: origin("example.org"),
        size: 12,
        root: [7; 32],
        after: 5,
        lanes: BTreeMap::from([lane(1, 8), lane(2, 4)]),
    }
}

#[test]
fn its_text_is_that_of_a_tlog_checkpoint() {
    let text = checkpoint().to_string();
    let root = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let hash = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    let expected = format!(
        "example.org/audit\n12\n{root}\nafter 5\n\
         lane 00000000-0000-0000-0000-000000000001 8 {hash}\n\
         lane 00000000-0000-0000-0000-000000000002 4 {hash}\n"
    );
    assert_eq!(text, expected);
    assert_eq!(Checkpoint::parse(&text), Ok(checkpoint()));
}

#[test]
fn no_other_text_is_taken() {
    let text = checkpoint().to_string();
    let changes: [(&str, &str); 12] = [
        ("\n12\n", "\n012\n"),
        ("\n12\n", "\n+12\n"),
        ("\n12\n", "\n13\n"),
        ("\n12\n", "\n0\n"),
        ("after 5", "after 12"),
        ("after 5\n", ""),
        ("Bwc=\n", "Bwc\n"),
        ("BwcHBwcH", "BwcH"),
        (" 8 ", " 08 "),
        (" 8 ", " -8 "),
        ("lane 00000000-0000-0000-0000-000000000001", "lane 00000000000000000000000000000001"),
        ("lane 00000000-0000-0000-0000-000000000002", "lane 00000000-0000-0000-0000-000000000001"),
    ];
    for (from, to) in changes {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(Checkpoint::parse(&changed).is_err(), "{changed}");
    }
    for end in 0..text.len() {
        assert!(Checkpoint::parse(&text[..end]).is_err(), "cut at {end}");
    }
    assert!(Checkpoint::parse(&format!("{text}more\n")).is_err());
}

#[test]
fn the_largest_keeps_within_its_length() {
    let end = LaneEnd { seq: i64::MAX, hash: [255; 32] };
    let lanes = (0..LANES_MAX).map(|lane| (BrokerId(Uuid::from_u128(lane as u128)), end));
    let origin = origin(&"d".repeat(255));
    let big =
        Checkpoint { origin, size: u64::MAX, root: [255; 32], after: 1, lanes: lanes.collect() };
    // A signature and its key's name stand under it.
    assert!(big.to_string().len() + 512 < NOTE_BYTES_MAX, "{}", big.to_string().len());
}
