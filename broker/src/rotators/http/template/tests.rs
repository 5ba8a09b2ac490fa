use super::*;
use secretref_domain::{
    id::RotationId,
    name::{EnvironmentName, SecretName},
    value::SecretValue,
};
use std::sync::Arc;
use uuid::Uuid;

fn made(source: &str) -> Result<String, String> {
    let secret = |text: &str| Arc::new(SecretValue::new(text.as_bytes().to_vec()).unwrap());
    let task = Task {
        rotation: RotationId(Uuid::nil()),
        environment: EnvironmentName::parse("production").unwrap(),
        reference: SecretName::parse("token").unwrap(),
        old: Credential { value: secret("{\"a\":\"b\",\"n\":1}"), handle: None },
    };
    let own = OwnSecrets::from([
        ("two-words".to_owned(), secret("it's \"ä\"")),
        ("two_words".to_owned(), secret("exact")),
        ("other-one".to_owned(), secret("dash")),
    ]);
    let values = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    let names = Names::of(&task, &[("old", &task.old)], &own, &values);
    let made = Language::new().render(source, &names)?;
    Ok(String::from_utf8(made.to_vec()).unwrap())
}

#[test]
fn names_and_filters_are_those_that_are_written_down() {
    let table = [
        ("{{ values.x }} {{ ref }} {{ environment }}\n", "y token production\n"),
        ("{{ rotation }}", "00000000-0000-0000-0000-000000000000"),
        (
            "{{ secrets.two_words }} {{ secrets.other_one }} {{ secrets['other-one'] }}",
            "exact dash dash",
        ),
        ("{{ secrets['two-words'] | urlencode }}", "it%27s%20%22%C3%A4%22"),
        ("{{ secrets['two-words'] | json }}", "\"it's \\\"ä\\\"\""),
        ("{{ secrets.other_one | base64 }}", "ZGFzaA=="),
        ("{{ old.value | pointer('/a') | json }}", "\"b\""),
        ("{{ basic('u', 'p') }}", "Basic dTpw"),
        ("{% if old.handle is defined %}a{% else %}b{% endif %}", "b"),
        ("{% if now > 1700000000 %}a{% endif %}{{ now - now }}", "a0"),
    ];
    for (source, right) in table {
        assert_eq!(made(source).unwrap(), right, "{source}");
    }
}

#[test]
fn what_is_not_there_or_costs_too_much_is_refused() {
    let table = [
        ("{{ new.value }}", "names something that is not there"),
        ("{{ old.handle }}", "names something that is not there"),
        ("{{ secrets.gone }}", "names something that is not there"),
        ("{{ secrets }}", "does what cannot be done"),
        ("{{ old.value | pointer('/n') }}", "no JSON with a text at this pointer"),
        ("\n{{ old.value | upper }}", "filter upper is unknown (line 2)"),
        ("{{ range(10) }}", "range is unknown"),
        ("{{ jwt_rs256(secrets.other_one, iss=1) }}", "no PEM of an RSA key"),
        ("{{ jwt_rs256(secrets.other_one, iss=old.value) }}", "a claim is neither"),
        ("{{ old", "is none"),
    ];
    for (source, said) in table {
        let why = made(source).unwrap_err();
        assert!(why.contains(said) && !why.contains("dash"), "{source}: {why}");
    }
    let long = "{{ old.value | base64 | base64 | base64 | base64 }}".repeat(20_000);
    assert!(made(&long).unwrap_err().contains("takes more than 10000 steps"));
    let long = "x".repeat(OUTPUT_BYTES_MAX) + "{{ values.x }}";
    assert!(made(&long).unwrap_err().contains("makes more than 524288 bytes"));
}
