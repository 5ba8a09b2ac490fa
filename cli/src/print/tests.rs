use super::*;

#[test]
fn what_others_wrote_cannot_steer_a_terminal() {
    assert_eq!(plain("a\u{1b}[2Jb\u{7}"), "a\u{fffd}[2Jb\u{fffd}");
    assert_eq!(plain("a\nb\tc\n"), "a b c");
    assert_eq!(plain("x\u{202e}y"), "x\u{fffd}y");
    assert_eq!(plain("支付分析 Agent"), "支付分析 Agent");
}

#[test]
fn columns_line_up_and_end_without_blanks() {
    let cells = ["a".to_owned(), String::new()];
    assert_eq!(columns(&cells, &[4, 3]), "a");
    let cells = ["a".to_owned(), "b".to_owned()];
    assert_eq!(columns(&cells, &[4, 3]), "a     b");
}

#[test]
fn a_missing_version_is_a_dash() {
    assert_eq!(version(0), "-");
    assert_eq!(version(8), "v8");
}
