use super::*;

fn parsed(address: &str) -> Result<SyslogAddress, SyslogError> {
    Syslog { address: address.to_owned(), ca_file: None }.parsed()
}

#[test]
fn an_address_has_a_kind_and_a_place() {
    assert_eq!(parsed("unix:///dev/log"), Ok(SyslogAddress::Unix("/dev/log".into())));
    assert_eq!(parsed("udp://127.0.0.1:514"), Ok(SyslogAddress::Udp("127.0.0.1:514".into())));
    assert_eq!(parsed("tcp://logs:601"), Ok(SyslogAddress::Tcp("logs:601".into())));
    let tls = |collector: &str, name: &str| {
        Ok(SyslogAddress::Tls { collector: collector.into(), name: name.into() })
    };
    assert_eq!(parsed("tls://logs:6514"), tls("logs:6514", "logs"));
    assert_eq!(parsed("tls://[::1]:6514"), tls("[::1]:6514", "::1"));
    for address in [
        "",
        "/dev/log",
        "unix://dev/log",
        "udp://",
        "udp://logs",
        "udp://logs:0",
        "udp://:514",
        "tcp://logs:70000",
        "tcp://who@logs:1",
        "tcp://logs:1/x",
        "http://logs:80",
    ] {
        assert!(parsed(address).is_err(), "{address}");
    }
    let plain = Syslog { address: "tcp://logs:601".into(), ca_file: Some("ca.pem".into()) };
    assert!(plain.parsed().is_err());
}
