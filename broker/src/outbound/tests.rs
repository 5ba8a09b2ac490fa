use super::*;

#[test]
fn addresses_lead_out_by_tls_or_stay_on_this_host() {
    let good = [
        ("https://hooks.example/T0/B0?x=1", "https://hooks.example/T0/B0?x=1"),
        ("https://hooks.example:8443/x\n", "https://hooks.example:8443/x"),
        ("https://hooks.example/x\r\n", "https://hooks.example/x"),
        ("https://10.0.0.7/x", "https://10.0.0.7/x"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://localhost:8080", "http://127.0.0.1:8080/"),
    ];
    for (given, meant) in good {
        assert_eq!(address(given).unwrap().as_str(), meant, "{given}");
    }
    let bad = [
        "",
        "hooks.example/x",
        "https://",
        "https://:443/x",
        "https:///x y",
        "https://hooks.example/x\n\n",
        "https://hooks.example/\tx",
        "https://hööks.example/x",
        "HTTPS://hooks.example/x",
        "http://hooks.example/x",
        "http://10.0.0.7/x",
        "http://127.0.0.1.example/x",
        "http://127.0.0.1@hooks.example/x",
        "http://0.0.0.0:80/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        &format!("https://hooks.example/{}", "x".repeat(URL_BYTES_MAX)),
    ];
    for given in bad {
        let refused = address(given).expect_err(given).to_string();
        assert!(refused.contains("an address is https://"), "{refused}");
        assert!(!refused.contains("example"), "the address is repeated: {refused}");
    }
}

#[test]
fn there_is_always_somebody_to_believe() {
    assert!(Outbound::new(Patience::default()).is_ok());
}
