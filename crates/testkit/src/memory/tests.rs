use super::*;

#[test]
fn a_peak_is_seen_and_begins_anew() {
    let pid = std::process::id();
    let held = std::hint::black_box(vec![1_u8; 64 << 20]);
    let full = of(pid).unwrap();
    assert!(full.peak_bytes >= full.resident_bytes && full.resident_bytes >= 64 << 20, "{full:?}");
    drop(held);
    assert!(of(pid).unwrap().peak_bytes >= 64 << 20, "the peak is remembered");
    reset_peak(pid).unwrap();
    assert!(of(pid).unwrap().peak_bytes < full.peak_bytes, "the peak begins anew");
    assert!(files(pid).unwrap() > 0);
}
