//! The article's five files as they stand.

use super::*;
use crate::{agent::OnFailure, reference::ProviderKind};

fn seed(id: &str) -> Manifest {
    let text = SEEDS.iter().find(|(seed, _)| *seed == id).unwrap().1;
    good(text)
}

#[test]
fn the_stripe_analyst_is_the_single_form_with_a_file_provider() {
    let manifest = seed("1.2");
    let (agent, spec) = manifest.agents.first_key_value().unwrap();
    assert_eq!(agent.as_str(), "stripe-analyst");
    let (tool, key, credential) = spec.credentials().next().unwrap();
    assert_eq!((tool.as_str(), key.as_str()), ("stripe-payment", "apiKey"));
    assert_eq!(credential.secret_ref.as_str(), "stripe-api-key");
    assert_eq!(credential.env_var, Some(name("STRIPE_API_KEY")));
    assert_eq!(credential.file_name(key).as_str(), "STRIPE_API_KEY");
    let reference = &manifest.references["stripe-api-key"];
    assert_eq!(reference.provider, Some(name("file")));
    assert_eq!(reference.target.as_deref(), Some("stripe_api_key"));
    assert_eq!(reference.required, None);
    let provider = &manifest.providers["file"];
    assert_eq!(provider.kind, ProviderKind::File);
    assert_eq!(provider.settings["path"], "/root/.openclaw/secrets/secrets.json");
    assert_eq!(manifest.warnings, Vec::<String>::new());
}

#[test]
fn the_finance_analyst_has_no_refs_of_its_own() {
    let manifest = seed("2.2");
    let spec = &manifest.agents["finance-analyst"];
    assert_eq!(spec.display_name, "財務分析 Agent");
    assert_eq!(spec.description, "處理 Stripe 支付數據分析");
    let capabilities = spec.capabilities.as_ref().unwrap();
    assert_eq!(*capabilities, [name("stripe-payment"), name("data-analysis")]);
    let profile = &spec.profiles["stripe-payment"];
    assert_eq!((profile.required, profile.on_failure), (Some(true), OnFailure::DenyAndLog));
    assert_eq!(spec.tools["stripe-payment"].required, Some(true));
    assert!(manifest.references.is_empty());
    assert_eq!(manifest.warnings, Vec::<String>::new());
}

#[test]
fn the_payment_analyst_is_whole() {
    let manifest = seed("3.2");
    let spec = &manifest.agents["payment-analyst"];
    assert_eq!(spec.runtime, "subagent");
    assert_eq!(spec.profiles["stripe-payment"].on_failure, OnFailure::DenyAndAlert);
    assert_eq!(spec.profiles["slack-notifier"].on_failure, OnFailure::DenyAndLog);
    assert_eq!(spec.credentials().count(), 2);
    assert_eq!(manifest.references.len(), 2);
    assert_eq!(manifest.references["slack-bot-token"].required, Some(true));
    assert_eq!(manifest.warnings, Vec::<String>::new());
}

#[test]
fn the_environments_override_where_a_ref_comes_from() {
    let manifest = seed("4.2");
    assert_eq!(manifest.environment, Some(name("production")));
    assert_eq!(manifest.active_provider, Some(name("vault")));
    let production = &manifest.environments["production"]["stripe-api-key"];
    assert_eq!(production.provider, Some(name("vault")));
    assert_eq!(production.path.as_deref(), Some("prod/stripe/api-key"));
    assert_eq!(production.target, None);
    let development = &manifest.environments["development"]["stripe-api-key"];
    assert_eq!(development.provider, Some(name("file")));
    assert_eq!(development.path.as_deref(), Some(".secrets/dev_stripe.key"));
}

#[test]
fn a_file_of_the_file_provider_is_refused_as_what_it_is() {
    let error = only(RECORDS);
    assert!(error.problem.contains("secrets.json of the file provider"), "{error}");
    assert!(error.problem.contains("must not be applied"), "{error}");
    assert!(error.fix.contains("secrets.providers.file.path"), "{error}");
    for value in ["sk_live", "xoxb", "51xxx", "openclaw"] {
        assert!(!error.to_string().contains(value), "{error}");
    }
}

#[test]
fn the_four_manifests_of_the_article_make_one() {
    let files: Vec<(&str, &[u8])> = SEEDS.iter().map(|(id, text)| (*id, text.as_bytes())).collect();
    let manifest = parse(&files).unwrap();
    assert_eq!(manifest.agents.len(), 3);
    let production = manifest.references_in(&name("production"));
    let stripe = &production["stripe-api-key"];
    assert_eq!(stripe.provider, Some(name("vault")));
    assert_eq!(stripe.target, None, "the record of another provider means nothing here");
    assert_eq!(stripe.required, Some(true), "what the environment leaves open stays");
    assert_eq!(production["slack-bot-token"].provider, Some(name("file")));
    assert_eq!(manifest.references_in(&name("elsewhere")), manifest.references);
}
