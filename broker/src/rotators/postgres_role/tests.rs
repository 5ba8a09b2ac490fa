use super::*;
use value::Where;

fn place() -> Where {
    Where { host: "db.example".into(), port: 5432, database: "orders".into() }
}

#[test]
fn each_form_is_read_as_it_was_written() {
    let login = Login { user: "o'rders @b".into(), password: Zeroizing::new("pä:/#%".into()) };
    for form in [Form::Url, Form::Json] {
        let written = form.written(&login, &place());
        let read = form.read(written.as_bytes(), None).unwrap();
        assert_eq!((read.user, read.password), (login.user.clone(), login.password.clone()));
        assert!(form.read(b"something else", None).is_none());
    }
    let written = Form::Password.written(&login, &place());
    let read = Form::Password.read(format!("{}\n", *written).as_bytes(), Some("sole")).unwrap();
    assert_eq!((read.user.as_str(), &read.password), ("sole", &login.password));
    assert!(Form::Password.read(b"x", None).is_none());
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(quoted(r#"a"; DROP ROLE b; --"#), r#""a""; DROP ROLE b; --""#);
    assert_eq!(literal(r"it's \ here").as_str(), r"E'it''s \\ here'");
}

fn opened(settings: Value, admin: &str) -> Result<PostgresRole, RotatorError> {
    let spec = RotatorSpec {
        kind: secretref_domain::rotation::RotatorKind::PostgresRole,
        settings: settings.as_object().cloned().unwrap(),
    };
    let admin = std::sync::Arc::new(SecretValue::new(admin.as_bytes().to_vec()).unwrap());
    let own = OwnSecrets::from([("admin".to_owned(), admin)]);
    PostgresRole::open(&RotatorAlias::parse("orders").unwrap(), &spec, &own)
}

#[test]
fn settings_that_cannot_be_are_refused_with_the_key_to_set() {
    let good = json!({"address": "db.example:5432/orders", "users": ["a", "b"]});
    let url = "postgres://admin:x@db.example:5432/orders";
    assert!(opened(good.clone(), url).unwrap().overlaps());
    let with = |key: &str, value: Value| {
        let mut settings = good.clone();
        settings[key] = value;
        settings
    };
    for (settings, admin, said) in [
        (with("users", json!([])), url, "users"),
        (with("users", json!(["a", "a"])), url, "users"),
        (with("users", json!(["a", "b", "c"])), url, "users"),
        (with("users", json!(["x".repeat(64)])), url, "users"),
        (with("form", json!("password")), url, "form"),
        (with("length", json!(5)), url, "length"),
        (with("address", json!("db.example")), url, "address"),
        (with("address", json!("db.example:5432")), url, "address"),
        (good.clone(), "not a url", "admin"),
        (good.clone(), "postgres://a:b@h/d?sslrootcert=/etc/shadow", "settings of TLS"),
    ] {
        let refused = opened(settings, admin).err().unwrap();
        assert!(refused.lasting && refused.to_string().contains(said), "{said}: {refused}");
    }
    assert!(!opened(with("users", json!(["a"])), url).unwrap().overlaps());
}
