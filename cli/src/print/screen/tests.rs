use super::*;

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("line {at}")).collect()
}

#[test]
fn what_fits_is_shown_and_what_does_not_is_counted() {
    assert_eq!(fit(lines(3), 3, 80, ""), lines(3));
    let cut = fit(lines(10), 3, 80, "ask again");
    assert_eq!(cut[..2], lines(2));
    assert_eq!(cut[2], "… and 8 more lines; ask again");
    // A line that is wider than the terminal takes several of its rows.
    let wide = vec!["w".repeat(25), "b".to_owned()];
    assert_eq!(fit(wide.clone(), 4, 10, ""), wide);
    assert_eq!(fit(wide.clone(), 3, 10, "").len(), 1);
    assert_eq!(fit(lines(2), 0, 0, "").len(), 1, "a terminal without a size is no reason to fail");
    assert_eq!(fit(Vec::new(), 0, 0, ""), Vec::<String>::new());
}
