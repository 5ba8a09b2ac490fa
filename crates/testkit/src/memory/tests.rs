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
}

#[test]
fn a_socket_is_counted_and_a_file_is_not() {
    let pid = std::process::id();
    let (before, file) = (sockets(pid).unwrap(), tempfile::tempfile().unwrap());
    assert_eq!(sockets(pid).unwrap(), before, "a file is counted");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(sockets(pid).unwrap(), before + 1, "a socket is not counted");
    drop((socket, file));
}
