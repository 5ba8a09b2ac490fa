//! Several files, and what is only odd.

use super::*;

fn files(texts: &[&str]) -> Manifest {
    let names = ["a.json", "b.json", "c.json"];
    let files: Vec<_> = names.iter().zip(texts).map(|(n, t)| (*n, t.as_bytes())).collect();
    parse(&files).unwrap_or_else(|errors| panic!("refused:\n{errors}"))
}

#[test]
fn a_later_file_replaces_its_namesake() {
    let one = "{\"agents\": {\"a\": {\"name\": \"old\", \"runtime\": \"x\"}, \"b\": {}}, \
               \"environments\": {\"e\": {\"secrets\": {\"p\": {}, \"q\": {}}}}}";
    let other = "{\"agents\": {\"a\": {\"name\": \"new\"}}, \
                 \"environments\": {\"e\": {\"secrets\": {\"p\": {\"required\": true}}}}}";
    let manifest = files(&[one, other]);
    assert_eq!(manifest.agents["a"].display_name, "new");
    assert_eq!(manifest.agents["a"].runtime, "", "replaced, not mixed");
    assert!(manifest.agents.contains_key("b"));
    assert_eq!(manifest.environments["e"].len(), 1);
    assert_eq!(manifest.warnings.len(), 2, "{:?}", manifest.warnings);
    assert!(manifest.warnings[0].contains("agent a: b.json replaces"), "{:?}", manifest.warnings);
    assert_eq!(files(&[one, one]).warnings.len(), 0, "the same twice is not odd");
}

#[test]
fn the_later_choice_of_environment_and_provider_wins_with_a_warning() {
    let chosen = |environment: &str, provider: &str| {
        format!(
            "{{\"openclaw\": {{\"gateway\": {{\"environment\": \"{environment}\", \
             \"secrets\": {{\"active-provider\": \"{provider}\"}}}}}}}}"
        )
    };
    let manifest = files(&[&chosen("one", "file"), &chosen("two", "vault"), "{}"]);
    assert_eq!(manifest.environment, Some(name("two")));
    assert_eq!(manifest.active_provider, Some(name("vault")));
    assert_eq!(manifest.warnings.len(), 2, "{:?}", manifest.warnings);
    assert!(manifest.warnings[0].contains("b.json says two where an earlier file says one"));
    assert!(files(&[&chosen("one", "file"), &chosen("one", "file")]).warnings.is_empty());
}

#[test]
fn a_provider_of_another_file_counts() {
    let refs = "{\"refMap\": {\"s\": {\"provider\": \"mine\", \"target\": \"No No\"}}}";
    let provider = "{\"secrets\": {\"providers\": {\"mine\": {\"type\": \"store\"}}}}";
    for order in [[refs, provider], [provider, refs]] {
        let files: Vec<(&str, &[u8])> = order.iter().map(|text| ("m", text.as_bytes())).collect();
        assert_eq!(parse(&files).unwrap_err().0[0].path, "refMap.s.target");
    }
}

#[test]
fn every_file_is_reported_under_its_name() {
    let errors = parse(&[("one", b"{\"x\": 1}"), ("two", b"nope"), ("three", b"{}")]).unwrap_err();
    let names: Vec<&str> = errors.0.iter().map(|error| error.file.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn what_is_odd_is_said_and_stops_nothing() {
    let text = "{\"agents\": {\"a\": {\"capabilities\": [\"u\"], \
        \"auth-profiles\": {\"w\": {}}, \
        \"tool-bindings\": {\"t\": {\"credentials\": {\"k\": {\"secretRef\": \"used\"}}}}}}, \
        \"refMap\": {\"used\": {}, \"unused\": {}, \"token\": {}, \"hook\": {}}, \
        \"secrets\": {\"providers\": {\"vault\": {\"auth\": \
            {\"method\": \"token\", \"token\": {\"secretRef\": \"token\"}}}}}, \
        \"alerts\": {\"channels\": {\"x\": {\"type\": \"webhook\", \"secretRef\": \"hook\"}}}}";
    assert_eq!(
        good(text).warnings,
        [
            "agent a: tool t is bound but not among its capabilities, so it gets nothing",
            "agent a: tool w has an auth-profile but no binding",
            "unused-ref: unused",
        ]
    );
}

#[test]
fn an_environment_replaces_the_place_of_a_ref_as_a_whole() {
    let text = |over: &str| {
        format!(
            "{{\"refMap\": {{\"s\": {{\"provider\": \"file\", \"target\": \"/s\", \
             \"service\": \"stripe\", \"fallback\": [{{\"provider\": \"env\"}}]}}}}, \
             \"environments\": {{\"e\": {{\"secrets\": {{\"s\": {{{over}}}}}}}}}}}"
        )
    };
    let effective = |over: &str| good(&text(over)).references_in(&name("e"))["s"].clone();
    let moved = effective("\"provider\": \"vault\", \"path\": \"p\"");
    assert_eq!((moved.target, moved.fallback), (None, Vec::new()));
    assert_eq!(moved.service.as_deref(), Some("stripe"));
    let kept = effective("\"required\": false, \"service\": \"other\"");
    assert_eq!((kept.target.as_deref(), kept.fallback.len()), (Some("/s"), 1));
    assert_eq!((kept.required, kept.service.as_deref()), (Some(false), Some("other")));
    let fallback = effective("\"fallback\": [{\"provider\": \"store\"}]");
    assert_eq!(fallback.fallback[0].provider.as_str(), "store");
    assert_eq!(fallback.target.as_deref(), Some("/s"));
}

#[test]
fn a_group_is_replaced_by_its_namesake_and_its_refs_are_used() {
    let group = |secret: &str| {
        format!(
            "{{\"groups\": {{\"g\": {{\"tool-bindings\": {{\"t\": {{\"credentials\": \
             {{\"k\": {{\"secretRef\": \"{secret}\"}}}}}}}}}}}}, \
             \"refMap\": {{\"{secret}\": {{}}}}}}"
        )
    };
    let agent = "{\"agents\": {\"a\": {\"groups\": [\"g\"], \"capabilities\": [\"u\"]}}}";
    let manifest = files(&[&group("one"), &group("two"), agent]);
    assert_eq!(manifest.groups["g"].tools["t"].credentials["k"].secret_ref, name("two"));
    assert_eq!(
        manifest.warnings,
        [
            "group g: b.json replaces what an earlier file says",
            "agent a: tool t is bound but not among its capabilities, so it gets nothing",
            "unused-ref: one",
        ]
    );
}
