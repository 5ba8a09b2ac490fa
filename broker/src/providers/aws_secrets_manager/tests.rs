//! Where a target leads.

use super::{Spot, Which};
use crate::providers::{Place, ProviderError};
use secretref_domain::{fault::Fault, name::SecretName};

fn spot(target: Option<&str>) -> Result<Spot, ProviderError> {
    Spot::of(&Place {
        reference: SecretName::parse("stripe_api_key").unwrap(),
        target: target.map(str::to_owned),
        path: None,
    })
}

#[test]
fn a_target_is_a_secret_a_version_of_it_and_a_part_of_that() {
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/stripe-AbCdEf";
    for (target, id, which, part) in [
        (None, "stripe_api_key", Which::Current, None),
        (Some("prod/stripe"), "prod/stripe", Which::Current, None),
        (Some("prod/stripe#key"), "prod/stripe", Which::Current, Some("key")),
        (Some("a/b#/keys/0"), "a/b", Which::Current, Some("/keys/0")),
        (Some("a#b?c=d"), "a", Which::Current, Some("b?c=d")),
        (Some(arn), arn, Which::Current, None),
        (Some("a?stage=AWSPREVIOUS"), "a", Which::Stage("AWSPREVIOUS".to_owned()), None),
        (Some("a?version=1-2#k"), "a", Which::Version("1-2".to_owned()), Some("k")),
    ] {
        let wanted = Spot { id: id.to_owned(), which, part: part.map(str::to_owned) };
        assert_eq!(spot(target).unwrap(), wanted, "{target:?}");
    }
}

#[test]
fn a_target_that_names_nothing_is_refused() {
    let long = format!("a?stage={}", "s".repeat(257));
    for target in
        ["", "#a", "a#", "?stage=a", "a?", "a?stage", "a?stage=", "a?Stage=b", "a\nb", &long]
    {
        let error = spot(Some(target)).unwrap_err();
        assert_eq!(error.fault, Fault::Misconfigured, "{target:?}: {error}");
        assert!(error.fix.contains("`target`"), "{target:?}: {error}");
    }
}
