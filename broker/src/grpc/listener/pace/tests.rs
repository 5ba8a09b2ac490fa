use super::*;
use std::future::poll_fn;

#[tokio::test(start_paused = true)]
async fn a_burst_is_read_at_once_and_the_rest_at_the_pace() {
    let began = Instant::now();
    let mut pace = Pace::new(1000, 5000, Arc::new(Account::new()));
    let mut total = 0;
    let ready = async |pace: &mut Pace| poll_fn(|context| pace.poll_ready(context)).await;
    for _ in 0..5 {
        ready(&mut pace).await;
        pace.read(1000);
        total += 1000;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    for _ in 0..100 {
        pace.read(100);
        total += 100;
        ready(&mut pace).await;
    }
    let expected = Duration::from_millis(total - 5000);
    let elapsed = began.elapsed();
    assert!(elapsed >= expected && elapsed < expected + Duration::from_millis(200), "{elapsed:?}");
    // After a pause there is a burst again, and no more than one.
    tokio::time::advance(Duration::from_secs(3600)).await;
    pace.read(5000);
    assert!(pace.pause.is_none());
    pace.read(1000);
    assert!(pace.pause.is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_opens_another_connection_is_not_read_the_faster() {
    let account = Arc::new(Account::new());
    let mut first = Pace::new(1000, 5000, Arc::clone(&account));
    first.read(7000);
    drop(first);
    assert!(!account.is_settled());
    let began = Instant::now();
    let mut second = Pace::new(1000, 5000, Arc::clone(&account));
    poll_fn(|context| second.poll_ready(context)).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(account.is_settled());
}
