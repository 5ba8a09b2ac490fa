//! A frame of custody as messages of the wire.

use crate::custody::{Frame, FrameSecret, Sent};
use prost::Message;
use secretref_domain::{
    agent::OnRotate,
    id::Digest,
    ledger::{DesiredTarget, Missing},
    name::SecretName,
    version::Version,
};
use secretref_proto::{
    convert::{field::to_time, manifest_digest, to_settings},
    v1,
};

/// A manifest in parts, and what the sidecar holds once it has it.
pub(super) struct Parts {
    pub(super) manifests: Vec<v1::Manifest>,
    pub(super) digest: [u8; 32],
    pub(super) sent: Sent,
}

/// Prints a frame as a manifest, in parts of less than `bytes_max` each.
pub(super) fn parts(frame: Frame, nonce: i64, bytes_max: usize) -> Parts {
    let snapshot = frame.secrets.iter().all(|secret| secret.body.is_some());
    let kind = if snapshot { v1::ManifestKind::Snapshot } else { v1::ManifestKind::Delta };
    let sent = frame.secrets.iter().map(held).collect();
    let removed: Vec<_> = frame.removed.iter().map(removed).collect();
    let missing: Vec<_> = frame.missing.iter().map(missing).collect();
    let entries: Vec<_> = frame.secrets.into_iter().map(entry).collect();
    let settings = to_settings(&frame.settings);
    let digest = manifest_digest(&entries, settings.as_ref());
    let blank = || v1::Manifest { nonce, kind: kind.into(), ..v1::Manifest::default() };
    let (mut manifests, mut part, mut bytes) = (Vec::new(), blank(), 0);
    for entry in entries {
        let size = entry.encoded_len() + FIELD_BYTES;
        if bytes + size > bytes_max && !part.entries.is_empty() {
            manifests.push(std::mem::replace(&mut part, blank()));
            bytes = 0;
        }
        bytes += size;
        part.entries.push(entry);
    }
    let tail = v1::Manifest { removed, missing, settings, ..v1::Manifest::default() };
    if bytes + tail.encoded_len() > bytes_max && !part.entries.is_empty() {
        manifests.push(std::mem::replace(&mut part, blank()));
    }
    (part.last, part.removed, part.missing) = (true, tail.removed, tail.missing);
    part.settings = tail.settings;
    part.manifest_digest = digest.to_vec();
    manifests.push(part);
    for (number, part) in (0..).zip(&mut manifests) {
        part.part = number;
    }
    Parts { manifests, digest, sent }
}

fn held(secret: &FrameSecret) -> (SecretName, (Version, Digest)) {
    let desired = &secret.desired;
    (desired.name.clone(), (desired.version, desired.digest))
}

fn entry(secret: FrameSecret) -> v1::ManifestEntry {
    let FrameSecret { desired, body } = secret;
    v1::ManifestEntry {
        name: desired.name.to_string(),
        version: desired.version.get(),
        digest: desired.digest.0.to_vec(),
        targets: desired.targets.into_iter().map(target).collect(),
        expire_time: desired.expires_at.map(to_time),
        stale_max_ms: desired.stale_max_ms.unwrap_or(0),
        value: body.map(|body| body.expose()),
    }
}

fn target(target: DesiredTarget) -> v1::Target {
    v1::Target {
        secret_ref: target.reference.to_string(),
        tool: target.tool.to_string(),
        key: target.key.to_string(),
        file: target.file.to_string(),
        env_var: target.env_var.map(|name| name.to_string()).unwrap_or_default(),
        mode: target.mode.unwrap_or(0),
        owner: target.owner.unwrap_or_default(),
        on_rotate: target.on_rotate.map(|it: OnRotate| it.into()).unwrap_or_default(),
        required: target.required,
        template: target.template.unwrap_or_default(),
    }
}

fn removed((name, deleted): &(SecretName, bool)) -> v1::RemovedSecret {
    let reason = if *deleted { v1::RemovalReason::Deleted } else { v1::RemovalReason::Unbound };
    v1::RemovedSecret { name: name.to_string(), reason: reason.into() }
}

fn missing(missing: &Missing) -> v1::MissingRef {
    v1::MissingRef {
        secret_ref: missing.target.reference.to_string(),
        reason: missing.reason.clone(),
        required: missing.target.required,
        fix: missing.fix.clone(),
        tool: missing.target.tool.to_string(),
    }
}

/// What an entry's tag and length take at most.
const FIELD_BYTES: usize = 8;
