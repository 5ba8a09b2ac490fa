//! Generates the wire's code with protox: no `protoc` is needed on the machine.

use prost::Message;
use prost_types::FileDescriptorSet;
use std::{env, fmt::Write, fs, path::PathBuf};

/// Messages that carry a secret: no derived `Debug`, so that none can be printed by accident.
const SECRET_BEARING: [&str; 7] = [
    "secretref.v1.PutSecretRequest",
    "secretref.v1.AccessSecretVersionResponse",
    "secretref.v1.CreateJoinTokenResponse",
    "secretref.v1.JoinRequest",
    "secretref.v1.ManifestEntry",
    "secretref.v1.ResolveResponse",
    "secretref.v1.ResolvedRef",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=secretref");
    let files = [
        "secrets",
        "agents",
        "admins",
        "enrolment",
        "watch",
        "audit",
        "alerts",
        "providers",
        "references",
        "environments",
        "rotations",
        "traces",
        "resolve",
    ]
    .map(|name| format!("secretref/v1/{name}.proto"));
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("secretref.v1.bin"), descriptors.encode_to_vec())?;
    fs::write(out.join("method.rs"), methods(&descriptors)?)?;
    tonic_prost_build::configure()
        .bytes(".secretref.v1.ManifestEntry.value")
        .bytes(".secretref.v1.ResolvedRef.value")
        // Ordered, so that one message has one encoding: a retry is known by it.
        .btree_map(".")
        .build_client(true)
        .build_server(true)
        .skip_debug(SECRET_BEARING)
        .compile_fds(descriptors)?;
    Ok(())
}

/// The enum of every method of ours. Two services with a method of one name do not compile.
fn methods(set: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let files = set.file.iter().filter(|file| file.package() == PACKAGE);
    let services = files.flat_map(|file| &file.service);
    let methods: Vec<(&str, &str)> = services
        .flat_map(|service| service.method.iter().map(|method| (service.name(), method.name())))
        .collect();
    let mut code = String::from("/// A method of `secretref.v1`, named as in its service.\n");
    writeln!(code, "#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]")?;
    writeln!(code, "pub enum Method {{")?;
    for (service, method) in &methods {
        writeln!(code, "    /// `{PACKAGE}.{service}/{method}`.\n    {method},")?;
    }
    writeln!(code, "}}\nimpl Method {{\n    /// All of them.")?;
    writeln!(code, "    pub const ALL: [Self; {}] = [", methods.len())?;
    methods.iter().try_for_each(|(_, method)| writeln!(code, "        Self::{method},"))?;
    writeln!(code, "    ];\n    /// Its path in a request, such as `/{PACKAGE}.AService/Verb`.")?;
    writeln!(code, "    #[must_use]\n    pub const fn path(self) -> &'static str {{")?;
    writeln!(code, "        match self {{")?;
    for (service, method) in &methods {
        writeln!(code, "            Self::{method} => \"/{PACKAGE}.{service}/{method}\",")?;
    }
    writeln!(code, "        }}\n    }}\n}}")?;
    Ok(code)
}

const PACKAGE: &str = "secretref.v1";
