use super::*;

#[test]
fn a_server_is_left_alone_as_long_as_it_asks_for_within_reason() {
    let (wait, most) = (Duration::from_secs(10), Duration::from_secs(300));
    for _ in 0..100 {
        let own = pause(wait, None, most);
        assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&own), "{own:?}");
        let sooner = pause(wait, Some(Duration::from_secs(1)), most);
        assert!(sooner >= Duration::from_secs(8), "{sooner:?}");
    }
    assert_eq!(pause(wait, Some(Duration::from_secs(60)), most), Duration::from_secs(60));
    assert_eq!(pause(wait, Some(Duration::MAX), most), most);
}
