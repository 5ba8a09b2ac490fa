//! Which variable a ref means.

use super::{Place, variable};
use secretref_domain::name::SecretName;

#[test]
fn a_ref_names_its_variable_in_capitals() {
    let named = |reference: &str, target: Option<&str>| {
        let reference = SecretName::parse(reference).unwrap();
        let place = Place { reference, target: target.map(str::to_owned), path: None };
        variable(&place).map(|it| it.as_str().to_owned()).map_err(|it| it.message)
    };
    assert_eq!(named("stripe-api-key", None).unwrap(), "STRIPE_API_KEY");
    assert_eq!(named("prod/stripe.key", None).unwrap(), "PROD_STRIPE_KEY");
    assert_eq!(named("2fa", None).unwrap(), "_2FA");
    assert_eq!(named("stripe", Some("Stripe_Key")).unwrap(), "Stripe_Key");
    assert!(named("stripe", Some("no-variable")).is_err());
}
