use super::*;

#[test]
fn a_service_is_known_by_the_shape_of_its_credentials() {
    assert_eq!(of_shape(b"sk_live_51abc"), Some("stripe"));
    assert_eq!(of_shape(b"xoxe.xoxb-1-abc"), Some("slack"));
    assert_eq!(of_shape(b"https://hooks.slack.com/services/T/B/x"), Some("slack"));
    assert_eq!(of_shape(b"postgresql://u:p@h/d"), Some("postgres"));
    assert_eq!(of_shape(b"correct horse battery staple"), None);
    assert_eq!(of_shape(b""), None);
}

#[test]
fn else_by_the_first_word_of_its_name() {
    for (name, service) in
        [("stripe-api-key", "stripe"), ("slack_bot", "slack"), ("aws/key", "aws"), ("x", "x")]
    {
        assert_eq!(of_name(&SecretName::parse(name).unwrap()), service);
    }
}

#[test]
fn a_name_and_a_shape_together_say_what_neither_says_alone() {
    let token = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    assert!(kind_of(token.as_bytes()).is_none());
    let kind = kind_under("TWILIO_AUTH_TOKEN", token.as_bytes()).unwrap();
    assert_eq!(kind.id, "twilio-auth-token");
    assert!(kind_under("CHECKSUM", token.as_bytes()).is_none());
}

#[test]
fn a_mask_shows_what_all_have_and_a_little_of_what_is_long() {
    let key = format!("{}_live_{}", "sk", "51HfTxKJ2eZvKYlo2C8nqXw4");
    assert_eq!(mask(key.as_bytes()), "sk_live_…qXw4");
    assert_eq!(mask(b"postgres://u:hunter2-x@db"), "postgres://…");
    assert_eq!(mask(format!("{}{}", "AKIA", "QYLPMN5HHHFPZAM2").as_bytes()), "AKIA…");
    assert_eq!(mask(b"hunter2"), "…");
    assert_eq!(mask(b""), "…");
}

/// Set by `make services`: write the page instead of comparing with it.
const REFRESH: &str = "SECRETREF_SERVICES_REFRESH";

#[test]
fn the_page_of_services_is_current() {
    let mut page = "# Services\n\nWhat `secretref scan`, `put` and the refusal of literals in \
                    manifests know: one table, `crates/domain/src/service/kinds/`. This page is \
                    written from it by `make services`.\n\n\
                    | service | credential | variable | known by | source |\n\
                    | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let mut kinds: Vec<&Kind> = KINDS.iter().copied().flatten().collect();
    kinds.sort_by_key(|kind| (kind.service, kind.id));
    for kind in kinds {
        let variable = kind.variables.first().map_or(String::new(), |it| format!("`{it}`"));
        let begins = kind.shapes.iter().map(|it| it.split('<').next().unwrap_or_default());
        let mut begins: Vec<&str> = begins.filter(|it| !it.is_empty()).collect();
        begins.dedup();
        let known = match (kind.near.is_empty(), begins.is_empty()) {
            (false, _) => "its name and its shape".to_owned(),
            (true, true) => "its shape".to_owned(),
            (true, false) => format!("`{}`", begins.join("`, `")),
        };
        let Kind { service, title, source, .. } = kind;
        page.push_str(&format!("| {service} | {title} | {variable} | {known} | {source} |\n"));
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/services.md");
    if std::env::var_os(REFRESH).is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).expect("docs/services.md; `make services`");
    assert_eq!(committed, page, "the table changed: `make services`");
}
