use super::*;

#[test]
fn loopback_addresses_are_taken_apart() {
    let table = [
        ("http://127.0.0.1:8080/healthz", "127.0.0.1:8080", "/healthz"),
        ("http://127.9.9.9", "127.9.9.9:80", "/"),
        ("http://[::1]:81/a/b?c=d", "[::1]:81", "/a/b?c=d"),
        ("http://[::1]/", "[::1]:80", "/"),
        ("http://localhost:1/x", "127.0.0.1:1", "/x"),
        ("http://localhost", "127.0.0.1:80", "/"),
    ];
    for (given, address, path) in table {
        let url = LoopbackUrl::parse(given).unwrap();
        assert_eq!((url.address().to_string().as_str(), url.path()), (address, path), "{given}");
        assert_eq!(url.as_str(), given);
    }
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let long = format!("http://127.0.0.1/{}", "x".repeat(URL_BYTES_MAX));
    let table = [
        "",
        "127.0.0.1:80",
        "https://127.0.0.1/",
        "http://",
        "http://10.0.0.1/",
        "http://0.0.0.0:80/",
        "http://169.254.169.254/latest",
        "http://[::]/",
        "http://example.com/",
        "http://localhost.example.com/",
        "http://localhost@example.com/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1?x",
        "http://127.0.0.1/x#y",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: x",
        long.as_str(),
    ];
    for given in table {
        assert!(LoopbackUrl::parse(given).is_err(), "{given}");
    }
}
