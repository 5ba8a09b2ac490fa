use super::*;

#[test]
fn a_process_takes_memory_and_time() {
    assert!(resident_bytes().is_some_and(|bytes| bytes > 1_000_000));
    let [(_, user), (_, system)] = cpu_seconds().unwrap();
    assert!(user >= 0.0 && system >= 0.0);
}
