//! Breaking changes of the wire: the descriptor of this build against the committed one,
//! `proto/secretref.v1.binpb`. A broker serves sidecars one minor version older and newer, so
//! nothing that was there may go away, be renumbered or change its type. What is new is welcome;
//! `make wire` then refreshes the committed descriptor.

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// Set by `make wire`: write the committed descriptor instead of comparing with it.
const REFRESH: &str = "SECRETREF_WIRE_REFRESH";

/// What a client or server of another version relies on: place → what is there.
type Contract = BTreeMap<String, String>;

#[test]
fn nothing_that_was_on_the_wire_changed() {
    let now = FileDescriptorSet::decode(secretref_proto::DESCRIPTORS).expect("our descriptors");
    let now = without_comments(now);
    let file = committed();
    if env::var_os(REFRESH).is_some() {
        fs::write(&file, now.encode_to_vec()).expect("the committed descriptor");
    }
    let before = fs::read(&file).expect("proto/secretref.v1.binpb; `make wire` makes it");
    let before = FileDescriptorSet::decode(before.as_slice()).expect("a descriptor set");
    let (before, now) = (contract(&before), contract(&now));
    assert!(before.len() > 100, "the committed descriptor is nearly empty");
    let broken = broken(&before, &now);
    assert!(broken.is_empty(), "the wire changed:\n{}", broken.join("\n"));
    let added: Vec<_> = now.keys().filter(|place| !before.contains_key(*place)).collect();
    if !added.is_empty() {
        println!("new on the wire: {added:?}. Commit what `make wire` writes.");
    }
}

/// Without comments and positions, so that a comment is no change. What ours import stays, for buf.
fn without_comments(mut set: FileDescriptorSet) -> FileDescriptorSet {
    set.file.sort_by(|one, other| one.name().cmp(other.name()));
    for file in &mut set.file {
        file.source_code_info = None;
    }
    set
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/secretref.v1.binpb")
}

fn contract(set: &FileDescriptorSet) -> Contract {
    let mut contract = Contract::new();
    for file in set.file.iter().filter(|file| file.package() == "secretref.v1") {
        let package = file.package();
        for message in &file.message_type {
            message_contract(package, message, &mut contract);
        }
        for kind in &file.enum_type {
            enum_contract(package, kind, &mut contract);
        }
        for service in &file.service {
            for method in &service.method {
                let place = format!("rpc {package}.{}/{}", service.name(), method.name());
                contract.insert(place, method_contract(method));
            }
        }
    }
    contract
}

/// A field is known by its number on the wire and by its name in JSON; both are part of it.
fn message_contract(scope: &str, message: &DescriptorProto, contract: &mut Contract) {
    let name = format!("{scope}.{}", message.name());
    contract.insert(format!("message {name}"), "a message".to_owned());
    for field in &message.field {
        let oneof = field.oneof_index.and_then(|index| usize::try_from(index).ok());
        let oneof = oneof.and_then(|index| message.oneof_decl.get(index));
        let what = format!(
            "{} {} {} {}, in {}",
            label(field.label()),
            kind(field.r#type()),
            field.type_name(),
            field.name(),
            oneof.map_or("no oneof", |oneof| oneof.name()),
        );
        contract.insert(format!("field {name} = {}", field.number()), what);
    }
    for inner in &message.nested_type {
        message_contract(&name, inner, contract);
    }
    for inner in &message.enum_type {
        enum_contract(&name, inner, contract);
    }
}

fn enum_contract(scope: &str, kind: &EnumDescriptorProto, contract: &mut Contract) {
    let name = format!("{scope}.{}", kind.name());
    contract.insert(format!("enum {name}"), "an enum".to_owned());
    for value in &kind.value {
        contract.insert(format!("value {name} = {}", value.number()), value.name().to_owned());
    }
}

fn method_contract(method: &MethodDescriptorProto) -> String {
    let stream = |streaming: bool| if streaming { "stream " } else { "" };
    format!(
        "{}{} → {}{}",
        stream(method.client_streaming()),
        method.input_type(),
        stream(method.server_streaming()),
        method.output_type(),
    )
}

fn label(label: Label) -> &'static str {
    label.as_str_name()
}

fn kind(kind: Type) -> &'static str {
    kind.as_str_name()
}

fn broken(before: &Contract, now: &Contract) -> Vec<String> {
    let compare = |(place, was): (&String, &String)| match now.get(place) {
        None => Some(format!("{place}: was {was}, is gone")),
        Some(is) if is != was => Some(format!("{place}: was {was}, is {is}")),
        Some(_) => None,
    };
    before.iter().filter_map(compare).collect()
}

/// The contract of our own descriptors after somebody changed them.
fn after(change: impl FnOnce(&mut FileDescriptorSet)) -> (Contract, Contract) {
    let set = FileDescriptorSet::decode(secretref_proto::DESCRIPTORS).expect("our descriptors");
    let mut set = without_comments(set);
    let before = contract(&set);
    change(&mut set);
    (before, contract(&set))
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| message.name() == name).expect("a message of that name")
}

fn offences(change: impl FnOnce(&mut FileDescriptorSet)) -> usize {
    let (before, now) = after(change);
    broken(&before, &now).len()
}

#[test]
fn what_breaks_a_peer_is_found() {
    assert_eq!(offences(|_| {}), 0);
    let removed = offences(|set| {
        message(set, "Hello").field.remove(0);
    });
    assert_eq!(removed, 1, "a removed field");
    let renumbered = offences(|set| message(set, "Hello").field[0].number = Some(99));
    assert_eq!(renumbered, 1, "a renumbered field");
    let retyped = offences(|set| message(set, "Hello").field[0].set_type(Type::String));
    assert_eq!(retyped, 1, "a field of another type");
    let renamed = offences(|set| message(set, "Hello").field[0].name = Some("other".to_owned()));
    assert_eq!(renamed, 1, "a renamed field");
    let repeated = offences(|set| message(set, "Hello").field[0].set_label(Label::Repeated));
    assert_eq!(repeated, 1, "a field that became a list");
    let moved = offences(|set| message(set, "WatchRequest").field[0].oneof_index = None);
    assert_eq!(moved, 1, "a field that left its oneof");
    let services = offences(|set| set.file.iter_mut().for_each(|file| file.service.clear()));
    assert!(services >= 15, "removed services: {services}");
    let values = offences(|set| {
        for kind in set.file.iter_mut().flat_map(|file| &mut file.enum_type) {
            kind.value.pop();
        }
    });
    assert!(values >= 8, "removed values: {values}");
}

#[test]
fn what_breaks_nobody_is_not_found() {
    let added = offences(|set| {
        let mut field = message(set, "Hello").field[0].clone();
        (field.number, field.name) = (Some(99), Some("added".to_owned()));
        message(set, "Hello").field.push(field);
    });
    assert_eq!(added, 0, "an added field");
}
