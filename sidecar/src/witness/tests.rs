use super::{HookWord, Witness};
use secretref_domain::{clock::Timestamp, name::SecretName, version::Version};
use secretref_proto::v1::{Evidence, ResultState, SecretResult};

fn name() -> SecretName {
    SecretName::parse("stripe").unwrap()
}

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

const AT: Timestamp = Timestamp::from_micros(1);

fn amended(witness: &Witness, number: i64) -> SecretResult {
    let mut result =
        SecretResult { name: "stripe".into(), version: number, ..SecretResult::default() };
    result.set_state(ResultState::Applied);
    result.set_evidence(Evidence::Written);
    witness.amend(&mut result);
    result
}

#[test]
fn what_is_known_counts_for_its_version_alone() {
    let witness = Witness::default();
    assert_eq!(amended(&witness, 1).evidence(), Evidence::Written);
    witness.read(&name(), version(1), AT);
    assert_eq!(amended(&witness, 1).evidence(), Evidence::Read);
    assert_eq!(amended(&witness, 2).evidence(), Evidence::Written);
    witness.hook(&name(), version(2), Some(HookWord::Reloaded(AT)));
    assert_eq!(amended(&witness, 2).evidence(), Evidence::Reloaded);
    assert_eq!(amended(&witness, 1).evidence(), Evidence::Written);
    assert_eq!(witness.read_at(&name(), version(2)), None);
}

#[test]
fn a_failed_hook_is_a_failure_and_what_failed_already_stays_as_it_is() {
    let witness = Witness::default();
    witness.read(&name(), version(1), AT);
    witness.hook(&name(), version(1), Some(HookWord::Failed("ü".repeat(200))));
    let result = amended(&witness, 1);
    assert_eq!((result.state(), result.evidence()), (ResultState::Failed, Evidence::Unspecified));
    assert_eq!(result.detail.len(), 256);
    witness.hook(&name(), version(1), Some(HookWord::Reloaded(AT)));
    let mut wiped = SecretResult { name: "stripe".into(), version: 1, ..SecretResult::default() };
    wiped.set_state(ResultState::Wiped);
    witness.amend(&mut wiped);
    assert_eq!(wiped.evidence(), Evidence::Unspecified);
}

#[tokio::test]
async fn each_piece_of_news_is_told_once() {
    let witness = Witness::default();
    for at in 1..100 {
        witness.read(&name(), version(1), Timestamp::from_micros(at));
    }
    assert_eq!(witness.news().await.len(), 1);
    witness.read(&name(), version(1), AT);
    let other = witness.clone();
    let waiting = tokio::spawn(async move { other.news().await });
    witness.read(&name(), version(2), AT);
    assert_eq!(waiting.await.unwrap().len(), 1);
    witness.read(&name(), version(3), AT);
    witness.read(&name(), version(2), AT);
    assert_eq!(amended(&witness, 3).evidence(), Evidence::Read);
    witness.keep_only(|_| Some(version(2)));
    assert_eq!(amended(&witness, 3).evidence(), Evidence::Written);
}
