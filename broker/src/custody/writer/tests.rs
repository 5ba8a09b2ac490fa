//! What one batch does with commands that meet in it. On one thread, so that what was handed over
//! before the writer runs is in one batch.

use crate::{
    authority::Authority,
    custody::{Committed, Custody, CustodyError, Parts, Put, RequestKey, SecretView, VersionView},
    store::Store,
};
use futures_util::{FutureExt, future::join_all};
use secretref_domain::{
    caller::Caller,
    clock::{Clock, Timestamp},
    id::{AdminId, BrokerId},
    name::SecretName,
    policy::{Role, Roles},
    value::SecretValue,
    version::Version,
};
use secretref_envelope::{Keyring, RootKey};
use secretref_identity::subject::TrustDomain;
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::task::unconstrained;
use uuid::Uuid;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW * 1_000_000)
    }
}

async fn custody() -> (TempDir, Custody) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("secretref.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    store.initialise(Uuid::new_v4(), Vec::new()).await.unwrap();
    let (keyring, _) = Keyring::create(RootKey::generate().unwrap()).unwrap();
    let authority = Authority::create(TrustDomain::parse("example.org").unwrap(), NOW).unwrap();
    let parts = Parts {
        store,
        keyring,
        authority,
        broker: BrokerId(Uuid::new_v4()),
        clock: Arc::new(Still),
        certificate_life: Duration::from_secs(3600),
        lease: Duration::from_secs(3600),
    };
    (folder, Custody::open(parts).await.unwrap())
}

fn writer() -> Caller {
    let roles = Roles::from([Role::Writer]);
    Caller::Admin { id: AdminId(Uuid::from_u128(1)), name: "ada".into(), roles, peer: None }
}

fn put(name: &str, value: &str, expected: Option<i64>) -> Put {
    Put {
        environment: None,
        name: SecretName::parse(name).unwrap(),
        value: SecretValue::new(value.as_bytes().to_vec()).unwrap(),
        service: None,
        labels: BTreeMap::new(),
        expires_at: None,
        deprecation_date: None,
        expected,
        create_only: false,
    }
}

type Outcome = Result<Committed<(SecretView, VersionView)>, CustodyError>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// Hands a put over; it is answered when the writer runs.
fn hand_over<'a>(
    custody: &'a Custody,
    caller: &'a Caller,
    put: Put,
    request: Option<RequestKey>,
) -> Waiting<'a> {
    // Unconstrained, since tokio makes a task that did a lot wait, and order matters here.
    let mut waiting: Waiting<'a> = Box::pin(unconstrained(custody.put(caller, put, request)));
    assert!(waiting.as_mut().now_or_never().is_none(), "answered before it was durable");
    waiting
}

#[tokio::test]
async fn of_two_that_expect_one_version_in_one_batch_one_wins() {
    let (_folder, custody) = custody().await;
    let caller = writer();
    let waiting = [
        hand_over(&custody, &caller, put("a", "first", Some(0)), None),
        hand_over(&custody, &caller, put("a", "second", Some(0)), None),
        hand_over(&custody, &caller, put("b", "other", None), None),
        hand_over(&custody, &caller, put("a", "third", Some(1)), None),
    ];
    let [first, second, other, third] = join_all(waiting).await.try_into().unwrap();
    let (first, other, third) = (first.unwrap(), other.unwrap(), third.unwrap());
    assert_eq!((first.revision, third.revision), (other.revision, other.revision), "one batch");
    assert_eq!(first.answer.1.version, Version::FIRST);
    assert_eq!(third.answer.1.version, Version::FIRST.next());
    match second.unwrap_err() {
        CustodyError::VersionMismatch { expected: 0, actual: 1, .. } => {}
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn of_twins_in_one_batch_one_is_carried_out() {
    let (_folder, custody) = custody().await;
    let caller = writer();
    let id = Uuid::new_v4();
    let key = |content: &[u8]| Some(custody.request_key(&caller, id, "put", content));
    let waiting = [
        hand_over(&custody, &caller, put("a", "same", None), key(b"same")),
        hand_over(&custody, &caller, put("a", "same", None), key(b"same")),
        hand_over(&custody, &caller, put("a", "other", None), key(b"other")),
        hand_over(&custody, &caller, put("b", "after", None), None),
    ];
    let [first, twin, impostor, after] = join_all(waiting).await.try_into().unwrap();
    let (first, twin, after) = (first.unwrap(), twin.unwrap(), after.unwrap());
    assert_eq!(first.revision, after.revision, "who has no twin does not wait for one");
    assert_eq!((first.revision, first.at), (twin.revision, twin.at));
    assert_eq!(first.answer, twin.answer);
    assert!(matches!(impostor, Err(CustodyError::RequestReused(of)) if of == id));
    let next = custody.put(&caller, put("a", "next", Some(1)), None).await;
    assert_eq!(next.unwrap().answer.1.version, Version::FIRST.next());
}

#[tokio::test]
async fn a_refused_verb_leaves_nothing_for_those_behind_it() {
    let (_folder, custody) = custody().await;
    let caller = writer();
    let waiting = [
        hand_over(&custody, &caller, put("a", "never", Some(7)), None),
        hand_over(&custody, &caller, put("a", "first", Some(0)), None),
    ];
    let [refused, first] = join_all(waiting).await.try_into().unwrap();
    assert!(matches!(refused, Err(CustodyError::VersionMismatch { actual: 0, .. })));
    assert_eq!(first.unwrap().answer.1.version, Version::FIRST);
    let revision = custody.feed().revision();
    let again = custody.put(&caller, put("a", "never", Some(7)), None).await;
    assert!(matches!(again, Err(CustodyError::VersionMismatch { actual: 1, .. })));
    assert_eq!(custody.feed().revision(), revision, "what is refused takes no revision");
}

#[tokio::test]
async fn more_than_a_batch_holds_is_carried_out_in_order() {
    let (_folder, custody) = custody().await;
    let caller = writer();
    let count = super::BATCH_MAX + 44;
    let puts = (0..count).map(|at| put("a", &at.to_string(), i64::try_from(at).ok()));
    let waiting: Vec<_> = puts.map(|put| hand_over(&custody, &caller, put, None)).collect();
    let outcomes = join_all(waiting).await;
    let revisions: Vec<_> =
        outcomes.into_iter().map(|outcome| outcome.unwrap().revision.0).collect();
    assert!(revisions.is_sorted(), "{revisions:?}");
    assert_eq!(revisions.first().unwrap() + 1, *revisions.last().unwrap(), "two batches");
}

const NOW: i64 = 1_800_000_000;
