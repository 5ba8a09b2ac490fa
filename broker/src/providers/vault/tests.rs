//! Where a place leads, and which settings are taken.

use super::{Spot, Vault};
use crate::providers::{OwnSecrets, Permits, Place, ProviderError};
use secretref_domain::{
    fault::Fault,
    name::{ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn spot(
    target: Option<&str>,
    path: Option<&str>,
) -> Result<(String, Option<String>), ProviderError> {
    let place = Place {
        reference: SecretName::parse("stripe_api_key").unwrap(),
        target: target.map(str::to_owned),
        path: path.map(str::to_owned),
    };
    Spot::of(&place).map(|spot| (spot.path, spot.field))
}

fn opened(settings: Value) -> Result<Vault, ProviderError> {
    let settings = settings.as_object().unwrap().clone();
    let spec = ProviderSpec { kind: ProviderKind::Vault, settings };
    let alias = ProviderAlias::parse("vault").unwrap();
    let token = Arc::new(SecretValue::new(b"s.token".to_vec()).unwrap());
    let own = OwnSecrets::from([("auth.token", token)]);
    Vault::open(&alias, &spec, &Arc::new(Permits::default()), &own)
}

fn refused(settings: Value) -> String {
    match opened(settings) {
        Ok(_) => panic!("it was taken"),
        Err(error) => {
            assert_eq!(error.fault, Fault::Misconfigured);
            error.to_string()
        }
    }
}

#[test]
fn a_place_is_a_path_and_a_field() {
    let is = |given: Result<_, _>, path: &str, field: Option<&str>| {
        assert_eq!(given.unwrap(), (path.to_owned(), field.map(str::to_owned)));
    };
    is(spot(None, None), "stripe_api_key", None);
    is(spot(Some("team/stripe"), None), "team/stripe", None);
    is(spot(Some("team/stripe#key"), None), "team/stripe", Some("key"));
    is(spot(Some("unused"), Some("/team/other#a b")), "team/other", Some("a b"));
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    for given in ["../sys/seal", "a/../b", "a//b", "./a", "#key", "a#", "", "a\nb"] {
        let error = spot(Some(given), None).unwrap_err();
        assert_eq!(error.fault, Fault::Misconfigured, "{given:?}");
    }
}

#[test]
fn settings_that_are_lacking_or_dangerous_are_named() {
    let auth = json!({"method": "token", "token": {"secretRef": "vault-token"}});
    assert!(opened(json!({"address": "https://vault.example:8200", "auth": auth})).is_ok());
    assert!(opened(json!({"address": "http://127.0.0.1:8200", "auth": auth})).is_ok());
    assert!(refused(json!({"auth": auth})).contains("has no `address`"));
    assert!(refused(json!({"address": "https://vault.example"})).contains("has no `auth`"));
    for (address, why) in [
        ("http://vault.example:8200", "leads to another host"),
        ("http://127.0.0.1.example", "leads to another host"),
        ("https://user:word@vault.example", "a password"),
        ("https://vault.example?a=b", "a query"),
        ("ftp://vault.example", "is not https"),
        ("vault", "is none"),
    ] {
        let said = refused(json!({"address": address, "auth": auth}));
        assert!(said.contains(why), "{address}: {said}");
        assert!(!said.contains("word@"), "{said}");
    }
    let address = "https://vault.example";
    for mount in ["..", "a/../b", "a//b", "/"] {
        let said = refused(json!({"address": address, "mount": mount, "auth": auth}));
        assert!(said.contains("`mount`"), "{said}");
    }
    let said = refused(json!({"address": address, "namespace": "a\u{1}b", "auth": auth}));
    assert!(said.contains("`namespace`"), "{said}");
    let lacking = json!({"method": "approle", "roleId": "r", "secretId": {"secretRef": "s"}});
    assert!(refused(json!({"address": address, "auth": lacking})).contains("auth.secretId"));
}
