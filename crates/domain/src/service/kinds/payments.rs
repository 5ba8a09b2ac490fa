//! Money and shops.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "stripe-key" "stripe" "secret key" ["STRIPE_API_KEY", "STRIPE_SECRET_KEY"]
        ["sk_live_<b 24-247>", "sk_test_<b 24-247>", "rk_live_<b 24-247>", "rk_test_<b 24-247>"]
        [] None 18 "docs.stripe.com/keys";
    "stripe-webhook-secret" "stripe" "webhook secret" ["STRIPE_WEBHOOK_SECRET"]
        ["whsec_<6 32-64><= 0-2>"] [] None 30 "docs.stripe.com/webhooks";
    "square-token" "square" "access token" ["SQUARE_ACCESS_TOKEN"]
        ["EAAA<u 60>", "sq0atp-<u 22>", "sq0csp-<u 43>"] [] None 0
        "developer.squareup.com, access tokens; gitleaks";
    "braintree-token" "braintree" "access token" ["BRAINTREE_ACCESS_TOKEN"]
        ["access_token$production$<a 16>$<x 32>", "access_token$sandbox$<a 16>$<x 32>"]
        [] None 40 "developer.paypal.com/braintree";
    "shopify-token" "shopify" "access token" ["SHOPIFY_ACCESS_TOKEN"]
        ["shpat_<X 32>", "shpca_<X 32>", "shppa_<X 32>", "shpss_<X 32>"] [] None 24
        "shopify.dev/docs, access tokens; gitleaks";
    "plaid-token" "plaid" "access token" ["PLAID_ACCESS_TOKEN"]
        ["access-sandbox-<uuid>", "access-development-<uuid>", "access-production-<uuid>"]
        [] None 0 "plaid.com/docs, tokens";
    "plaid-secret" "plaid" "secret" ["PLAID_SECRET"]
        ["<x 30>"] ["plaid"] Mixed 0 "plaid.com/docs; gitleaks";
    "razorpay-key" "razorpay" "key id" ["RAZORPAY_KEY_ID"]
        ["rzp_live_<b 14>", "rzp_test_<b 14>"] [] None 0 "razorpay.com/docs, API keys";
    "flutterwave-key" "flutterwave" "secret key" ["FLUTTERWAVE_SECRET_KEY", "FLW_SECRET_KEY"]
        ["FLWSECK_TEST-<x 32>-X", "FLWSECK-<x 32>-X"] [] None 24 "developer.flutterwave.com";
    "easypost-key" "easypost" "API key" ["EASYPOST_API_KEY"]
        ["EZAK<b 54>", "EZTK<b 54>"] [] None 0 "docs.easypost.com; gitleaks";
    "shippo-token" "shippo" "API token" ["SHIPPO_API_TOKEN"]
        ["shippo_live_<x 40>", "shippo_test_<x 40>"] [] None 24 "docs.goshippo.com; gitleaks";
    "duffel-token" "duffel" "access token" ["DUFFEL_ACCESS_TOKEN"]
        ["duffel_live_<u 43>", "duffel_test_<u 43>"] [] None 24 "duffel.com/docs; gitleaks";
    "gocardless-token" "gocardless" "access token" ["GOCARDLESS_ACCESS_TOKEN"]
        ["live_<u 40>", "sandbox_<u 40>"] ["gocardless"] None 0
        "developer.gocardless.com; gitleaks";
    "lob-key" "lob" "API key" ["LOB_API_KEY"]
        ["live_<x 35>", "test_<x 35>"] ["lobapi", "lobkey"] None 0 "docs.lob.com; gitleaks";
};
