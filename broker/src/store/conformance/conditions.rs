//! What people were told, what tests came to, and what all sidecars said.

use super::*;
use std::collections::HashSet;

pub(super) async fn what_people_were_told_is_kept_by_what_of(place: Place) {
    let store = place.ready().await;
    assert_eq!(store.told().await.unwrap(), []);
    store.keep_told("b", Some("{}")).await.unwrap();
    store.keep_told("a", Some("one")).await.unwrap();
    store.keep_told("a", Some("two")).await.unwrap();
    let pair = |subject: &str, told: &str| (subject.to_owned(), told.to_owned());
    let told = place.open().await.told().await.unwrap();
    assert_eq!(told, [pair("a", "two"), pair("b", "{}")]);
    store.keep_told("a", None).await.unwrap();
    store.keep_told("not there", None).await.unwrap();
    assert_eq!(store.told().await.unwrap(), [pair("b", "{}")]);
    // What is longer than any condition is no condition.
    assert!(store.keep_told(&"x".repeat(2049), Some("{}")).await.is_err());
    assert!(store.keep_told("c", Some(&"x".repeat(16_385))).await.is_err());
}

pub(super) async fn what_a_test_came_to_is_kept_by_the_secret(place: Place) {
    let store = place.ready().await;
    let secret = |number| SecretId(Uuid::from_u128(number));
    store.keep_trial(secret(2), Some("well")).await.unwrap();
    store.keep_trial(secret(1), Some("refused")).await.unwrap();
    store.keep_trial(secret(1), Some("well")).await.unwrap();
    let well = |number| (secret(number), "well".to_owned());
    assert_eq!(place.open().await.trials().await.unwrap(), [well(1), well(2)]);
    store.keep_trial(secret(1), None).await.unwrap();
    assert_eq!(store.trials().await.unwrap(), [well(2)]);
}

pub(super) async fn all_that_was_said_is_read_page_by_page(place: Place) {
    let store = place.ready().await;
    assert_eq!(store.held().await.unwrap(), []);
    let report = |number: u128| ReportRow {
        environment: EnvironmentName::parse("default").unwrap(),
        agent: AgentId(Uuid::from_u128(number % 7 + 1)),
        instance: InstanceId(Uuid::from_u128(number)),
        secret: SecretId(Uuid::from_u128(number % 3)),
        version: i64::try_from(number).unwrap(),
        state: 3,
        evidence: 1,
        detail: format!("said {number}"),
        boot: Uuid::from_u128(1),
        at: Timestamp::from_micros(1),
        deliveries: "[]".to_owned(),
    };
    let count = 4_100;
    for part in (1..=count).collect::<Vec<_>>().chunks(500) {
        let reports = part.iter().map(|number| report(*number)).collect();
        store.append(Batch { reports, ..Batch::default() }).await.unwrap();
    }
    let held = store.held().await.unwrap();
    let versions: HashSet<i64> = held.iter().map(|row| row.version).collect();
    let all = usize::try_from(count).unwrap();
    assert_eq!((held.len(), versions.len()), (all, all), "each once");
    let one = held.iter().find(|row| row.version == 2_050).unwrap();
    let ReportRow { agent, instance, secret, .. } = report(2_050);
    assert_eq!((one.agent, one.instance, one.secret), (agent, instance, secret));
    assert_eq!((one.state, one.detail.as_str()), (3, "said 2050"));
}
