use super::Method;
use crate::DESCRIPTORS;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::BTreeSet;

#[test]
fn the_enum_is_the_descriptor() {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut described = BTreeSet::new();
    for file in set.file.iter().filter(|file| file.package() == "secretref.v1") {
        for service in &file.service {
            let path = |name: &str| format!("/secretref.v1.{}/{name}", service.name());
            described.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    let paths: BTreeSet<_> = Method::ALL.iter().map(|method| method.path().to_owned()).collect();
    assert_eq!(paths, described);
    assert_eq!(paths.len(), Method::ALL.len());
}

#[test]
fn a_path_has_one_spelling() {
    for method in Method::ALL {
        let path = method.path();
        assert_eq!(Method::from_path(path), Some(method));
        let others = [
            path.trim_start_matches('/').to_owned(),
            format!("/{path}"),
            format!("{path}/"),
            path.to_uppercase(),
            path.to_lowercase(),
            path.replacen('/', "//", 2),
            format!("{path}?x"),
            path.replace("v1", "v2"),
            path.replace('S', "%53"),
        ];
        for other in others {
            assert_eq!(Method::from_path(&other), None, "{other}");
        }
    }
}
