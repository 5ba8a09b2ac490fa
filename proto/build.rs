//! Generates the wire's code with protox: no `protoc` is needed on the machine.

use prost::Message;
use std::{env, fs, path::PathBuf};

/// Messages that carry a secret: no derived `Debug`, so that none can be printed by accident.
const SECRET_BEARING: [&str; 5] = [
    "secretref.v1.PutSecretRequest",
    "secretref.v1.AccessSecretVersionResponse",
    "secretref.v1.CreateJoinTokenResponse",
    "secretref.v1.JoinRequest",
    "secretref.v1.ManifestEntry",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=secretref");
    let files = ["secrets", "agents", "enrolment", "watch", "audit"]
        .map(|name| format!("secretref/v1/{name}.proto"));
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("secretref.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".secretref.v1.ManifestEntry.value")
        // Ordered, so that one message has one encoding: a retry is known by it.
        .btree_map(".")
        .build_client(true)
        .build_server(true)
        .skip_debug(SECRET_BEARING)
        .compile_fds(descriptors)?;
    Ok(())
}
