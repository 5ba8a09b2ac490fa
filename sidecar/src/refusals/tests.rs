use super::*;

#[tokio::test]
async fn each_name_is_told_once() {
    let refusals = Refusals::default();
    refusals.note(["b", "a", "b"].into_iter());
    assert_eq!(refusals.news().await, ["a", "b"]);
    refusals.note(["a", "c"].into_iter());
    let told = refusals.news().await;
    assert_eq!(told, ["c"]);
    refusals.give_back(told);
    assert_eq!(refusals.news().await, ["c"]);
}

#[tokio::test]
async fn many_are_told_in_parts_and_too_many_are_not() {
    let refusals = Refusals::default();
    let ids: Vec<String> = (0..600).map(|number| format!("id-{number:03}")).collect();
    refusals.note(ids.iter().map(String::as_str));
    let mut told = BTreeSet::new();
    for _ in 0..8 {
        told.extend(refusals.news().await);
    }
    assert_eq!(told.len(), 512);
    refusals.note(ids.iter().map(String::as_str));
    assert!(refusals.lock().news.is_empty());
}
