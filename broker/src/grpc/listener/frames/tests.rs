use super::*;

fn frame(payload: usize) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload).unwrap().to_be_bytes();
    let mut frame = vec![high, middle, low, 6, 0, 0, 0, 0, 0];
    frame.resize(HEADER_BYTES + payload, 7);
    frame
}

#[test]
fn frames_are_counted_however_they_are_cut() {
    let mut sent = vec![b'P'; PREFACE_BYTES];
    for payload in [8, 0, 70_000, 1, 0] {
        sent.extend(frame(payload));
    }
    for size in [1, 2, 8, 9, 10, 1_000, sent.len()] {
        let mut frames = Frames::new();
        let counted: usize = sent.chunks(size).map(|chunk| frames.count(chunk)).sum();
        assert_eq!(counted, 5, "in pieces of {size}");
    }
}
