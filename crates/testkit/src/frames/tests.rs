use super::*;

#[test]
fn frames_and_headers_are_laid_out_as_the_standards_say() {
    assert_eq!(frame(Kind::Ping, 0, 0, &[7; 8])[..9], [0, 0, 8, 6, 0, 0, 0, 0, 0]);
    assert_eq!(
        frame(Kind::Reset, 0, 3, &8_u32.to_be_bytes()),
        [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8]
    );
    assert_eq!(header(b"te", b"x"), [0, 2, b't', b'e', 1, b'x']);
    // RFC 7541, C.1.2: 1337 with a prefix of five bits is 31, 154, 10; of seven, 127 + 1210.
    assert_eq!(string(&[b'x'; 1337])[..3], [127, 0x80 | 58, 9]);
    assert_eq!(string(&[b'x'; 127])[..2], [127, 0]);
    assert_eq!(string(&[b'x'; 126])[0], 126);
    assert_eq!(indexed_header(b"a", b"b")[0], 0x40);
}
