//! Digest of a manifest: what broker and sidecar compare to see whether they mean the same set.

use crate::v1::{AgentSettings, Gate, ManifestEntry, ProcessSettings, Target};
use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 over what a set says, in the order of names, and over the agent's settings where there
/// are any (docs/wire.md draws it). It covers no value, so it may be logged, kept and compared in
/// the open.
///
/// The order of `entries` does not matter; the order of an entry's targets does.
#[must_use]
pub fn manifest_digest(entries: &[ManifestEntry], settings: Option<&AgentSettings>) -> [u8; 32] {
    let mut ordered: Vec<&ManifestEntry> = entries.iter().collect();
    ordered.sort_by(|one, other| one.name.cmp(&other.name));
    let mut context = Context::new(&SHA256);
    for entry in ordered {
        add_text(&mut context, &entry.name);
        context.update(&entry.version.to_be_bytes());
        add_fingerprint(&mut context, &entry.digest);
        add_count(&mut context, entry.targets.len());
        for target in &entry.targets {
            add_target(&mut context, target);
        }
    }
    if let Some(settings) = settings {
        add_settings(&mut context, settings);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn add_target(context: &mut Context, target: &Target) {
    for text in [
        &target.file,
        &target.env_var,
        &target.owner,
        &target.on_rotate,
        &target.template,
        &target.secret_ref,
        &target.tool,
        &target.key,
    ] {
        add_text(context, text);
    }
    context.update(&target.mode.to_be_bytes());
    context.update(&[u8::from(target.required)]);
}

/// An empty text first: no entry has an empty name, so settings are never taken for one.
fn add_settings(context: &mut Context, settings: &AgentSettings) {
    add_text(context, "");
    add_text(context, &settings.dotenv_file);
    let Some(process) = &settings.process else { return };
    let ProcessSettings { command, inherit, stop_timeout_ms, gate, hand_over } = process;
    add_texts(context, command);
    add_texts(context, inherit);
    context.update(&stop_timeout_ms.to_be_bytes());
    context.update(&[u8::from(*hand_over)]);
    let Some(Gate { alive_ms, http_url, command, timeout_ms }) = gate else { return };
    context.update(&alive_ms.to_be_bytes());
    add_text(context, http_url);
    add_texts(context, command);
    context.update(&timeout_ms.to_be_bytes());
}

fn add_texts(context: &mut Context, texts: &[String]) {
    add_count(context, texts.len());
    texts.iter().for_each(|text| add_text(context, text));
}

fn add_text(context: &mut Context, text: &str) {
    add_count(context, text.len());
    context.update(text.as_bytes());
}

/// Exactly 32 bytes, so that no two entries run into each other: a fingerprint of another length
/// is cut or filled with zeros. Whoever takes a manifest refuses such a one before.
fn add_fingerprint(context: &mut Context, fingerprint: &[u8]) {
    let mut fixed = [0; 32];
    for (to, from) in fixed.iter_mut().zip(fingerprint) {
        *to = *from;
    }
    context.update(&fixed);
}

/// A message holds at most 2³¹ of anything, so the number always fits.
fn add_count(context: &mut Context, count: usize) {
    context.update(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests;
