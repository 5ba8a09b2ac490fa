use super::*;
use crate::{authority::Authority, custody::Parts, store::Store};
use secretref_domain::{
    clock::{Clock, Timestamp},
    id::BrokerId,
};
use secretref_envelope::{KekId, Keyring, RootKey, SealedKeyring};
use secretref_identity::subject::TrustDomain;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use uuid::Uuid;
use zeroize::Zeroizing;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW * 1_000_000)
    }
}

fn root() -> RootKey {
    RootKey::from_bytes(KekId(Uuid::from_u128(7)), Zeroizing::new([7; 32]))
}

async fn broker(store: &Store, sealed: &SealedKeyring, exported: &[u8]) -> Custody {
    let parts = Parts {
        store: store.clone(),
        keyring: Keyring::open(root(), sealed).unwrap(),
        authority: Authority::import(exported).unwrap(),
        broker: BrokerId(Uuid::new_v4()),
        clock: Arc::new(Still),
        certificate_life: Duration::from_secs(3600),
        lease: Duration::from_secs(3600),
    };
    Custody::open(parts).await.unwrap()
}

/// A database from before there were receipts has no key: several brokers need it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_make_the_key_at_once_sign_with_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("secretref.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    store.initialise(Uuid::new_v4(), Vec::new()).await.unwrap();
    let (_, sealed) = Keyring::create(root()).unwrap();
    let domain = TrustDomain::parse("example.org").unwrap();
    let exported = Authority::create(domain, NOW).unwrap().export();
    let mut signing = JoinSet::new();
    for _ in 0..4 {
        let custody = broker(&store, &sealed, &exported).await;
        signing.spawn(async move {
            custody.signer(RECEIPTS, "receipts").await.unwrap().sign("a receipt\n").unwrap()
        });
    }
    let notes = signing.join_all().await;
    let later = broker(&store, &sealed, &exported)
        .await
        .signer(RECEIPTS, "receipts")
        .await
        .unwrap()
        .verifier();
    assert!(later.to_string().starts_with("example.org/receipts+"), "{later}");
    assert_eq!(notes.len(), 4);
    for note in &notes {
        assert_eq!(later.verify(note).unwrap(), "a receipt\n");
    }
    // What stands there was sealed for this purpose, or it is not believed.
    let sealed_key = store.vault(RECEIPTS).await.unwrap().unwrap();
    let mut edited = sealed_key.clone();
    *edited.last_mut().unwrap() ^= 1;
    store.replace_vault(RECEIPTS, &sealed_key, &edited).await.unwrap();
    let refused = broker(&store, &sealed, &exported).await.signer(RECEIPTS, "receipts").await;
    assert!(matches!(refused.map(drop), Err(CustodyError::Internal(_))));
}

const NOW: i64 = 1_800_000_000;
