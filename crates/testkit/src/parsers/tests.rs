use super::*;
use secretref_proto::DESCRIPTORS;
use std::{collections::BTreeSet, fs, path::Path};

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is not there", folder.display()));
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// What the fuzzer has found, and what it began with.
#[test]
fn every_case_of_the_corpora_passes() {
    for (name, parse) in TARGETS {
        let cases = corpus(name);
        assert!(cases.len() > 1, "{name}: no corpus");
        for case in cases {
            parse(&case);
        }
    }
}

/// A corpus that nothing of is taken would prove nothing.
#[test]
fn the_corpora_hold_what_is_right_as_well() {
    let domain = TrustDomain::parse("fuzz.test").unwrap();
    let peer =
        |case: &[u8]| Peer::from_certificate(&CertificateDer::from(case), &domain, 0).is_ok();
    assert!(corpus("audit").iter().any(|case| DecodedEntry::decode(case).is_ok()));
    assert!(corpus("certificate").iter().any(|case| parse_request(case).is_ok()));
    assert!(corpus("certificate").iter().any(|case| peer(case)));
    assert!(corpus("envelope").iter().any(|case| Sealed::from_bytes(case).is_ok()));
    assert!(corpus("envelope").iter().any(|case| WrappedKey::from_bytes(case).is_ok()));
    assert!(corpus("envelope").iter().any(|case| Slot::parse(case).is_ok()));
    let text = |case: &[u8]| String::from_utf8(case.to_vec()).unwrap_or_default();
    let end = |case: &[u8]| OwnExpiry::of(case).map(|own| own.form);
    assert!(corpus("expiry").iter().any(|case| end(case) == Some(Form::Jwt)));
    assert!(corpus("expiry").iter().any(|case| end(case) == Some(Form::StsSession)));
    assert!(corpus("expiry").iter().any(|case| first_end(case).is_some()));
    assert!(corpus("join_token").iter().any(|case| JoinToken::parse(&text(case)).is_ok()));
    assert!(corpus("manifest").iter().any(|case| manifest::parse(&[("m", case)]).is_ok()));
    let found = |case: &[u8]| !scanned(case).is_empty();
    assert!(corpus("scan").iter().any(|case| found(case)));
    assert!(corpus("wire").iter().any(|case| case.len() > 10));
}

fn scanned(case: &[u8]) -> Vec<secretref_domain::scan::Finding> {
    secretref_domain::scan::scan(&String::from_utf8_lossy(&case[1..]), Format::Shell)
}

/// A request that is new on the wire is new to the fuzzer as well.
#[test]
fn every_request_of_the_wire_is_among_the_messages() {
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let ours = set.file.iter().filter(|file| file.package() == "secretref.v1");
    let methods = ours.flat_map(|file| &file.service).flat_map(|service| &service.method);
    let wanted: BTreeSet<&str> =
        methods.map(|it| it.input_type().trim_start_matches(".secretref.v1.")).collect();
    let listed: BTreeSet<&str> = MESSAGES.iter().map(|(name, _)| *name).collect();
    assert!(wanted.len() > 15 && wanted.is_subset(&listed), "{:?}", wanted.difference(&listed));
}

/// Every parser is a target of the fuzzer.
#[test]
fn every_parser_is_a_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        assert!(text.contains(&format!("parsers::{name}(bytes)")), "{name}: {text}");
    }
}
