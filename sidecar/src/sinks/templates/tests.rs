use super::{Pantry, SOURCE_BYTES_MAX, TemplateError};
use crate::snapshot::{Held, Snapshot, Target};
use proptest::prelude::*;
use secretref_domain::{
    clock::Timestamp,
    id::Digest,
    name::{AgentName, EnvVar, FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use std::sync::Arc;

fn target(file: &str, variable: Option<&str>, tool: &str, key: &str) -> Target {
    Target {
        reference: String::new(),
        tool: tool.to_owned(),
        key: key.to_owned(),
        file: FileName::parse(file).unwrap(),
        env_var: variable.map(|variable| EnvVar::parse(variable).unwrap()),
        mode: None,
        owner: None,
        on_rotate: None,
        required: true,
        template: None,
    }
}

fn held(value: &[u8], target: Target) -> Held {
    Held {
        version: Version::new(3).unwrap(),
        digest: Digest([1; 32]),
        targets: Arc::new([target]),
        expires_at: Timestamp::parse("2027-03-08T00:00:00Z"),
        stale_max_ms: None,
        value: Some(Arc::new(SecretValue::new(value.to_vec()).unwrap())),
    }
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut add = |name: &str, held| {
        snapshot.entries.insert(SecretName::parse(name).unwrap(), held);
    };
    add("db", held(b"p'w\"", target("db.ini", Some("DB_PASSWORD"), "postgres", "password")));
    add("user", held("j\u{fc}rgen".as_bytes(), target("db-user", None, "postgres", "user")));
    add("raw", held(&[0, 255], target("raw", None, "other", "bytes")));
    snapshot
}

/// Renders at the credential `db`.
fn render(source: &str) -> Result<String, TemplateError> {
    let snapshot = snapshot();
    render_with(&snapshot, "db", source).map(|(text, _)| text)
}

fn render_with(
    snapshot: &Snapshot,
    own: &str,
    source: &str,
) -> Result<(String, Vec<String>), TemplateError> {
    let agent = AgentName::parse("payer").unwrap();
    let own = SecretName::parse(own).unwrap();
    let held = snapshot.entry(&own).unwrap();
    let pantry = Pantry::stock(&agent, snapshot);
    let made = pantry.render(&own, held, held.value.as_ref().unwrap(), source)?;
    let text = String::from_utf8(made.bytes.to_vec()).unwrap();
    Ok((text, made.uses.iter().map(ToString::to_string).collect()))
}

#[test]
fn every_name_and_filter_is_there() {
    for (source, made) in [
        ("password={{ value }}\n", "password=p'w\"\n"),
        ("{{ secrets['db-user'] }}:{{ secrets.DB_PASSWORD }}", "j\u{fc}rgen:p'w\""),
        ("{{ secrets['db.ini'] }}", "p'w\""),
        ("{{ tools.postgres.user }}", "j\u{fc}rgen"),
        ("{{ agent }} {{ version }} {{ valid_until }}", "payer 3 2027-03-08T00:00:00Z"),
        ("{{ value | json }}", "\"p'w\\\"\""),
        ("{{ value | b64encode }}", "cCd3Ig=="),
        ("export P={{ value | shell }}", "export P='p'\\''w\"'"),
        ("{{ value | b64encode | json }}", "\"cCd3Ig==\""),
        ("{% if secrets.NONE is defined %}yes{% else %}no{% endif %}", "no"),
        ("{% for key in tools.postgres %}{{ key }} {% endfor %}", "password user "),
        ("<{{ '&' }}>", "<&>"),
        ("no name at all", "no name at all"),
        ("", ""),
    ] {
        assert_eq!(render(source).as_deref(), Ok(made), "{source}");
    }
}

#[test]
fn what_was_looked_up_is_known() {
    let uses = |own, source| render_with(&snapshot(), own, source).unwrap().1;
    assert_eq!(uses("db", "{{ value }}"), ["db"]);
    assert_eq!(uses("db", "plain"), ["db"]);
    assert_eq!(uses("db", "{{ tools.postgres.user }}"), ["db", "user"]);
    assert_eq!(uses("user", "{% if secrets.DB_PASSWORD %}x{% endif %}"), ["db", "user"]);
}

#[test]
fn what_goes_wrong_is_told_with_its_line_and_without_a_value() {
    let missing = "first\nurl = {{ secrets.NONE }}\n";
    let loops = "{% for a in [1,2,3,4,5,6,7,8,9,10] %}".repeat(6) + "x" + &"{% endfor %}".repeat(6);
    let long = "{% for a in [1,2,3,4,5,6,7,8,9,10] %}".repeat(3) + &"x".repeat(2000);
    let long = long + &"{% endfor %}".repeat(3);
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(400), ")".repeat(400));
    let lapsed = "{{ tools.postgres.gone }}";
    for (source, line, why) in [
        (missing, 2, "names something that the agent does not have"),
        ("{{ secrets.NONE | b64encode }}", 1, "names something that the agent does not have"),
        ("{{ nothing.at.all }}", 1, "names something that the agent does not have"),
        ("{% if secrets.NONE %}x{% endif %}", 1, "names something"),
        (lapsed, 1, "names something"),
        ("{{ secrets.raw }}", 1, "\"raw\" is not UTF-8"),
        ("{{ secrets }}", 1, "cannot be done"),
        ("{{ value | upper }}", 1, "filter upper is unknown"),
        ("{{ range(9) }}", 1, "range"),
        ("{{ value() }}", 1, "cannot be"),
        ("{{ value + 1 }}", 1, "cannot be done"),
        ("{% include 'x' %}", 1, "include"),
        ("{% macro m() %}{% endmacro %}", 1, "macro"),
        ("a\nb\n{{ value", 3, "unexpected"),
        (&deep, 1, "recursion"),
        (&loops, 1, "more than 100000 steps"),
        (&long, 1, "more than 1048576 bytes"),
    ] {
        let error = render(source).expect_err(source).to_string();
        assert!(error.starts_with(&format!("line {line} ")), "{error}");
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("p'w"), "{error}");
    }
    let error = render(&"x".repeat(SOURCE_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(error, TemplateError::TooLong(SOURCE_BYTES_MAX + 1));
}

#[test]
fn a_value_that_lapsed_has_no_name() {
    let mut snapshot = snapshot();
    snapshot.entries.get_mut("user").unwrap().value = None;
    let error = render_with(&snapshot, "db", "{{ tools.postgres.user }}").unwrap_err();
    assert!(error.to_string().contains("or not now"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever stands in a template: it ends, and no error has a value in it.
    #[test]
    fn any_template_ends(parts in proptest::collection::vec(prop::sample::select(vec![
        "{{ ", " }}", "{% ", " %}", "value", "secrets", "tools", ".", "['db.ini']", "postgres",
        "for a in ", "endfor", "if ", "endif", "|", "json", "b64encode", "shell", "(", ")", "~",
        "+", "*", "9999999", "'x'", "[", "]", "\n", "set a = ", "a", " ", "is defined", "{#",
    ]), 0..40)) {
        if let Err(error) = render(&parts.concat()) {
            prop_assert!(!error.to_string().contains("p'w"), "{}", error);
        }
    }
}
