use super::*;

#[test]
fn a_name_is_proposed_from_the_name_it_stands_under() {
    for (given, proposed) in [
        ("STRIPE_API_KEY", "stripe-api-key"),
        ("stripeApiKey", "stripe-api-key"),
        ("a.b--C", "a-b-c"),
        ("__", ""),
    ] {
        assert_eq!(name(given), proposed);
    }
}
