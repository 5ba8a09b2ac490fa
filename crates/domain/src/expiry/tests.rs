use super::*;

fn token(header: &str, claims: &str) -> String {
    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

fn end(value: &str) -> Option<String> {
    OwnExpiry::of(value.as_bytes()).map(|it| format!("{} {}", it.form, it.at))
}

const ALG: &str = r#"{"alg":"RS256","typ":"JWT"}"#;

#[test]
fn a_token_says_when_it_ends() {
    // The example of RFC 7519, section 3.1, and of RFC 7515, appendix A.1.
    let example = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4\
                   MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K2\
                   7uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(end(example).unwrap(), "JSON Web Token 2011-03-22T18:43:00Z");
    let ended = |claims: &str| end(&token(ALG, claims));
    let at = Some("JSON Web Token 2027-01-15T08:00:00Z".to_owned());
    assert_eq!(ended(r#"{"exp":1800000000}"#), at);
    assert_eq!(ended(r#"{"exp":1800000000.9,"sub":{"exp":1}}"#), at);
    assert_eq!(ended(r#" {"sub":"a","exp":1.8e9}"#), at);
    let deep = format!(r#"{{"a":{}{},"exp":1800000000}}"#, "[".repeat(9000), "]".repeat(9000));
    assert_eq!(ended(&deep), at);
    let line = format!("{}\r\n", token(ALG, r#"{"exp":1800000000}"#));
    assert_eq!(end(&line), at);
}

#[test]
fn a_session_says_when_it_ends() {
    let at = Some("session of AWS STS 2027-01-15T08:00:00Z".to_owned());
    // `aws sts assume-role`, `credential_process`, and the instance's own service.
    let whole = r#"{"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "s",
        "SessionToken": "t", "Expiration": "2027-01-15T08:00:00+00:00"},
        "AssumedRoleUser": {"AssumedRoleId": "AROA:a", "Arn": "arn:aws:sts::1:assumed-role/a/a"}}"#;
    assert_eq!(end(whole), at);
    let process = r#"{"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s",
        "SessionToken": "t", "Expiration": "2027-01-15T08:00:00Z"}"#;
    assert_eq!(end(process), at);
    let spaced = format!("\n  {process}\n");
    assert_eq!(end(&spaced), at);
}

#[test]
fn what_is_something_else_has_no_end_of_its_own() {
    let exp = r#"{"exp":1800000000}"#;
    let token_of = |claims: &str| token(ALG, claims);
    let good = token_of(exp);
    let encrypted = format!("{good}.YQ.YQ");
    let padded = good.replacen('.', "=.", 1);
    let unsigned = good.replace(".c2lnbmF0dXJl", ".");
    let foreign = good.replace(".c2lnbmF0dXJl", ".c2ln+w==");
    for value in [
        "",
        "sk_live_51Nabc",
        "a.b.c",
        "..",
        "1800000000",
        "{}",
        "{",
        "[1800000000]",
        "-----BEGIN CERTIFICATE-----",
        &encrypted,
        &padded,
        &unsigned,
        &foreign,
        &format!("Bearer {good}"),
        &format!("{good} {good}"),
        &token("{}", exp),
        &token(r#"["RS256"]"#, exp),
        &token(ALG, "[1800000000]"),
        &token_of("{}"),
        &token_of(r#"{"exp":null}"#),
        &token_of(r#"{"exp":"1800000000"}"#),
        &token_of(r#"{"exp":true}"#),
        &token_of(r#"{"exp":0}"#),
        &token_of(r#"{"exp":-5}"#),
        &token_of(r#"{"exp":1e300}"#),
        &token_of(r#"{"exp":253370764800}"#),
        &token_of(r#"{"exp":18446744073709551615}"#),
        &token_of(r#"{"exp":1,"exp":1800000000}"#),
        &token_of(r#"{"exp":1800000000}x"#),
        r#"{"Expiration": "2027-01-15T08:00:00Z"}"#,
        r#"{"AccessKeyId": "ASIA", "Expiration": "soon"}"#,
        r#"{"AccessKeyId": "ASIA", "Expiration": "2027-01-15"}"#,
        r#"{"AccessKeyId": "ASIA", "Expiration": 1800000000}"#,
        r#"{"AccessKeyId": "AKIA", "SecretAccessKey": "s"}"#,
        r#"{"Credentials": {"Expiration": "2027-01-15T08:00:00Z"}}"#,
        r#"{"Credentials": "x", "AccessKeyId": "A", "Expiration": "2027-01-15T08:00:00Z"}"#,
        r#"{"value": "s", "expiresAt": "2027-01-15T08:00:00Z"}"#,
        &"[".repeat(VALUE_BYTES_MAX),
        &r#"{"a":"#.repeat(9000),
        &format!("{}{good}", " ".repeat(VALUE_BYTES_MAX)),
    ] {
        assert_eq!(end(value), None, "{value}");
    }
    assert_eq!(OwnExpiry::of(b"\xff\xfe.a.b"), None);
}
