//! Values in place of refs: refused, with the ref to write and the command to run, and never
//! repeated.

use super::*;
use serde_json::{Value, json};

/// What a canary looks like: no error may have a piece of it.
const CANARIES: [&str; 6] = [
    "sk_live_51CanaryValue00",
    "sk_live_51canaryvalue00",
    "xoxb-canary-value-0000",
    "Canary Value! with blanks",
    "canary.value",
    "-----BEGIN CANARY VALUE-----\nabc\n",
];

fn silent(errors: &ManifestErrors, canary: &str) {
    let text = format!("{errors} {errors:?}");
    let lower = text.to_lowercase();
    assert!(!lower.contains("canary"), "{canary:?} leaks into {text}");
    assert!(!lower.contains("51"), "{canary:?} leaks into {text}");
    for prefix in ["sk_live", "xoxb", "BEGIN"] {
        assert!(!text.contains(prefix), "{canary:?} leaks into {text}");
    }
}

#[test]
fn a_literal_credential_gets_the_ref_to_write_and_the_put_to_run() {
    let text = agent(
        "\"tool-bindings\": {\"stripe-payment\": {\"credentials\": {\"apiKey\": \"sk_live_51C\"}}}",
    );
    let error = only(&text);
    assert_eq!(error.path, "agents.a.tool-bindings.stripe-payment.credentials.apiKey");
    let write = "`\"apiKey\": {\"secretRef\": \"stripe-payment-api-key\", \
                 \"envVar\": \"STRIPE_PAYMENT_API_KEY\"}`";
    assert!(error.fix.contains(write), "{error}");
    assert!(error.fix.contains("`secretref put stripe-payment-api-key`"), "{error}");
    silent(&ManifestErrors(vec![error]), "sk_live_51C");
}

#[test]
fn a_record_with_a_value_is_a_literal_too() {
    let value = "{\"value\": \"sk_live_51C\", \"expiresAt\": \"2027-03-08\"}";
    let text =
        agent(&format!("\"tool-bindings\": {{\"t\": {{\"credentials\": {{\"k\": {value}}}}}}}"));
    let error = only(&text);
    assert!(error.fix.contains("`secretref put t-k`"), "{error}");
    silent(&ManifestErrors(vec![error]), value);
}

#[test]
fn what_the_message_says_to_write_is_accepted() {
    let keys = ["apiKey", "API_KEY", "x", "_", "0", "a.b-c", "HTTPToken", &"k".repeat(64)];
    for tool in ["stripe-payment", "T", "0", "a..b", &"t".repeat(64)] {
        for key in keys {
            let binding = |value: &str| {
                agent(&format!(
                    "\"tool-bindings\": {{\"{tool}\": {{\"credentials\": {{{value}}}}}}}"
                ))
            };
            let error = only(&binding(&format!("\"{key}\": \"literal\"")));
            let write = error.fix.split('`').nth(1).unwrap();
            let manifest = good(&binding(write));
            let put = error.fix.split('`').nth(3).unwrap();
            let credential = &manifest.agents["a"].tools[tool].credentials[key];
            assert_eq!(put, format!("secretref put {}", credential.secret_ref));
        }
    }
}

#[test]
fn a_literal_is_never_repeated_wherever_it_stands() {
    let mut document: Value = serde_json::from_str(EVERY_KEY).unwrap();
    let mut places = Vec::new();
    texts(&document, "", &mut places);
    let mut refused = 0;
    for canary in CANARIES {
        for place in &places {
            let held = document.pointer(place).unwrap().clone();
            for coat in [json!(canary), json!([canary]), json!({ "value": canary })] {
                *document.pointer_mut(place).unwrap() = coat;
                if let Err(errors) = one(&document.to_string()) {
                    silent(&errors, canary);
                    refused += 1;
                }
            }
            *document.pointer_mut(place).unwrap() = held;
        }
    }
    assert!(refused > 500, "only {refused} were refused");
}

/// JSON pointers of everything that is not the whole.
fn texts(value: &Value, at: &str, places: &mut Vec<String>) {
    if !at.is_empty() {
        places.push(at.to_owned());
    }
    let step = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| texts(value, &step(key), places));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| texts(value, &step(&index.to_string()), places));
        }
        _ => {}
    }
}

#[test]
fn secrets_of_providers_and_channels_are_refs_or_files() {
    let canary = "hvs.CanaryCanaryCanary51";
    let provider = |alias: &str, key: &str, value: &str| {
        format!("{{\"secrets\": {{\"providers\": {{\"{alias}\": {{\"{key}\": {value}}}}}}}}}")
    };
    let quoted = format!("\"{canary}\"");
    let token = format!("{{\"method\": \"token\", \"token\": {quoted}}}");
    let role = format!("{{\"method\": \"approle\", \"roleId\": \"r\", \"secretId\": {quoted}}}");
    let password = "\"https://user:Canary51@vault.example\"";
    let cases = [
        provider("vault", "auth", &token),
        provider("vault", "auth", &role),
        provider("vault", "auth", &quoted),
        provider("vault", "address", password),
        provider("vault", "mount", &quoted),
        provider("aws-secretsmanager", "secretAccessKey", "\"Canary51\""),
        provider("aws-secretsmanager", "sessionToken", "{\"value\": \"Canary51\"}"),
        provider("exec", "args", &format!("[{quoted}]")),
        provider("exec", "env", "{\"API_TOKEN\": \"Canary51\"}"),
        provider("exec", "env", &format!("{{\"X\": {quoted}}}")),
        format!("{{\"alerts\": {{\"channels\": {{\"x\": {quoted}}}}}}}"),
        format!("{{\"alerts\": {{\"channels\": {{\"x\": {{\"url\": {password}}}}}}}}}"),
        agent(&format!("\"command\": [\"run\", {quoted}]")),
        credential(&format!("\"template\": \"token = {canary}\"")),
        format!("{{\"refMap\": {{\"s\": {{\"provider\": \"file\", \"target\": {quoted}}}}}}}"),
    ];
    for text in cases {
        let errors = ManifestErrors(vec![only(&text)]);
        silent(&errors, &text);
        assert!(errors.to_string().contains("credential") || errors.to_string().contains("value"));
    }
}

#[test]
fn a_credential_that_would_pass_as_a_name_is_refused() {
    for value in ["sk_live_51canaryvalue00", "xoxb-canary-value-0000"] {
        let text = agent(&format!(
            "\"tool-bindings\": {{\"t\": {{\"credentials\": {{\"k\": {{\"secretRef\": \
             \"{value}\"}}}}}}}}"
        ));
        let error = only(&text);
        assert!(error.problem.contains("a credential stands where the name"), "{error}");
        silent(&ManifestErrors(vec![error]), value);
    }
}

#[test]
fn a_credential_is_no_key_either() {
    for canary in ["sk_live_51canaryvalue00", "xoxb-Canary-value-0000"] {
        for text in [
            format!("{{\"{canary}\": 1}}"),
            format!("{{\"refMap\": {{\"{canary}\": {{}}}}}}"),
            format!("{{\"refMap\": {{\"{canary}\": {{\"x\": 1}}}}}}"),
            format!("{{\"agents\": {{\"{canary}\": {{}}}}}}"),
            format!("{{\"a\": {{\"{canary}\": 1, \"{canary}\": 2}}}}"),
            agent(&format!("\"{canary}\": \"x\"")),
        ] {
            silent(&one(&text).unwrap_err(), canary);
        }
    }
}

#[test]
fn syntax_errors_repeat_nothing() {
    for text in [
        "{\"apiKey\": sk_live_51Canary}",
        "{\"apiKey\": 'sk_live_51Canary'}",
        "apiKey: sk_live_51Canary",
        "sk_live_51Canary",
        "\"sk_live_51Canary\"",
        "{\"a\": \"sk_live_51Canary",
        "{\"a\": \"sk_live_51Canary\\q\"}",
        "{\"a\": 51515151x}",
    ] {
        let errors = one(text).unwrap_err();
        let said = errors.to_string().to_lowercase();
        assert!(!said.contains("canary") && !said.contains("sk_live"), "{said}");
    }
}
