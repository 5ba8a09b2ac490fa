//! Every parser of foreign bytes, as a function of bytes that panics only where something is wrong.
//!
//! The fuzzer calls them with what it invents (`make fuzz`), and a plain test with every file of
//! the corpora, so that a case that was found once is tried in every `make test`. This file is part
//! of both crates, and so it knows only what both depend on.

// Named by its path, since the fuzzer's crate takes this file by its path too.
#[path = "parsers/guest.rs"]
mod guest;

pub use guest::{socket, template};

use prost::Message;
use rustls_pki_types::CertificateDer;
use secretref_domain::{
    audit::DecodedEntry,
    expiry::{Form, OwnExpiry},
    limit::VALUE_BYTES_MAX,
    manifest,
    name::{AgentName, EnvironmentName, FileName, SecretName},
    scan::{Format, fingerprints},
};
use secretref_envelope::{Context, DataKey, KekId, RootKey, Sealed, Slot, WrappedKey};
use secretref_identity::{
    certificate::first_end, join_token::JoinToken, peer::Peer, request::parse_request,
    subject::TrustDomain,
};
use secretref_proto::{
    convert::{field, from_schedule, manifest_digest, to_schedule},
    v1,
};
use std::fmt::Debug;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A parser under its name, which is that of its corpus and of its fuzz target.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("audit", audit),
    ("certificate", certificate),
    ("envelope", envelope),
    ("expiry", expiry),
    ("join_token", join_token),
    ("manifest", manifest),
    ("scan", scan),
    ("socket", socket),
    ("template", template),
    ("wire", wire),
];

/// An entry of the audit trail, as it comes from a database that nobody trusts.
pub fn audit(bytes: &[u8]) {
    if let Ok(entry) = DecodedEntry::decode(bytes) {
        assert_eq!(DecodedEntry::decode(bytes).ok().as_ref(), Some(&entry), "decoded otherwise");
    }
}

/// A certification request, and a certificate of a peer.
pub fn certificate(bytes: &[u8]) {
    if let Ok(key) = parse_request(bytes) {
        assert!(!key.spki_der().is_empty(), "a key without bytes");
        assert!(bytes.windows(key.spki_der().len()).any(|it| it == key.spki_der()), "another key");
    }
    if let Ok(domain) = TrustDomain::parse("fuzz.test") {
        let leaf = CertificateDer::from(bytes);
        if let Ok(peer) = Peer::from_certificate(&leaf, &domain, 0) {
            assert_eq!(Peer::from_certificate(&leaf, &domain, 0).as_ref(), Ok(&peer));
        }
    }
}

/// A sealed value, a wrapped key, and the slot of a root key.
pub fn envelope(bytes: &[u8]) {
    let root = RootKey::from_bytes(KekId(Uuid::from_u128(1)), Zeroizing::new([7; 32]));
    let context = Context::blob("fuzz");
    if let Ok(wrapped) = WrappedKey::from_bytes(bytes) {
        assert_eq!(wrapped.to_bytes(), bytes, "a wrapped key has one form");
        drop(root.unwrap_key(&wrapped, &context));
    }
    if let Ok(sealed) = Sealed::from_bytes(bytes) {
        assert_eq!(sealed.to_bytes(), bytes, "a sealed value has one form");
        // No key that was just made opens what was there before.
        if let Ok(key) = DataKey::generate() {
            assert!(key.open(&sealed, &context).is_err(), "opened without its key");
        }
    }
    // Unlocking takes a passphrase's time on purpose, and is not tried.
    if let Ok(slot) = Slot::parse(bytes) {
        let _ = (slot.kek_id(), slot.needs_passphrase());
    }
}

/// The end that a value says of itself: of a token, of a session, of certificates.
pub fn expiry(bytes: &[u8]) {
    let certificates =
        first_end(bytes).and_then(|end| OwnExpiry::in_seconds(Form::Certificate, end));
    for own in OwnExpiry::of(bytes).into_iter().chain(certificates) {
        let shown = own.at.to_string();
        assert!(shown.ends_with('Z'), "an end that is no time: {shown}");
        assert!(own.at.as_micros() > 0, "an end before all of time: {shown}");
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let again = OwnExpiry::of(text.trim_ascii().as_bytes());
        assert!(
            bytes.len() > VALUE_BYTES_MAX || again == OwnExpiry::of(bytes),
            "a line end counts"
        );
    }
}

/// A join token, as an operator pastes it.
pub fn join_token(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(token) = JoinToken::parse(text) {
        assert_eq!(token.expose().as_str(), text, "a token has one spelling");
    }
}

/// Manifest files: one, or several that are merged.
pub fn manifest(bytes: &[u8]) {
    let files: Vec<(&str, &[u8])> =
        bytes.split(|byte| *byte == 0).map(|file| ("m.json", file)).collect();
    match manifest::parse(&files) {
        Ok(parsed) => {
            for environment in parsed.environments.keys() {
                drop(parsed.references_in(environment));
            }
        }
        Err(errors) => assert!(!errors.to_string().is_empty(), "refused without a reason"),
    }
}

/// A file that literals are looked for in: how it quotes, and its text. What is found is masked.
pub fn scan(bytes: &[u8]) {
    let Some((format, text)) = bytes.split_first() else { return };
    let format = [Format::Json, Format::Yaml, Format::Shell][usize::from(*format) % 3];
    let text = String::from_utf8_lossy(text);
    let findings = secretref_domain::scan::scan(&text, format);
    for finding in &findings {
        let value = text.get(finding.range.clone());
        assert!(value.is_some_and(|value| !finding.mask.contains(value)), "shown: {finding:?}");
    }
    assert_eq!(fingerprints("f", &findings).len(), findings.len());
}

/// A message of the wire: its number, and its bytes. Then its text and times as fields.
pub fn wire(bytes: &[u8]) {
    let Some((number, body)) = bytes.split_first() else { return };
    let number = usize::from(*number) % MESSAGES.len();
    (MESSAGES[number].1)(body);
    if let Ok(text) = str::from_utf8(body) {
        fields(text);
    }
    if let Ok(time) = prost_types::Timestamp::decode(body)
        && let Ok(Some(at)) = field::time("time", Some(&time))
    {
        let again = field::time("time", Some(&field::to_time(at)));
        assert_eq!(again, Ok(Some(at)), "a time has one meaning");
    }
}

/// Text in the place of each name: what is taken is taken as it stands.
fn fields(text: &str) {
    fn one<N: std::str::FromStr + ToString>(text: &str)
    where
        N::Err: ToString,
    {
        if let Ok(name) = field::name::<N>("name", text) {
            assert_eq!(name.to_string(), text, "a name was changed");
        }
    }
    one::<SecretName>(text);
    one::<AgentName>(text);
    one::<EnvironmentName>(text);
    one::<FileName>(text);
    // An id has several spellings, and one meaning.
    if let Ok(Some(id)) = field::optional::<Uuid>("request_id", text) {
        assert_eq!(field::name("request_id", &id.to_string()), Ok(id), "an id was changed");
    }
}

/// Decoded, it can be printed, and encoded it is read as the same again.
fn message<M: Message + Default + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(message) = M::decode(bytes) {
        let again = M::decode(message.encode_to_vec().as_slice());
        assert!(again.is_ok_and(|again| again == message), "it is read otherwise: {message:?}");
    }
}

/// What a broker makes of a sidecar's word.
fn word(bytes: &[u8]) {
    message::<v1::WatchRequest>(bytes);
    let Ok(v1::WatchRequest { message: Some(message) }) = v1::WatchRequest::decode(bytes) else {
        return;
    };
    let schedule = match message {
        v1::watch_request::Message::Hello(hello) => hello.schedule,
        v1::watch_request::Message::Report(report) => report.schedule,
        _ => None,
    };
    if let Some(told) = schedule.and_then(|given| from_schedule(&given).ok()) {
        assert_eq!(from_schedule(&to_schedule(&told)), Ok(told), "a schedule was changed");
    }
}

/// What a sidecar makes of a broker's word.
fn answer(bytes: &[u8]) {
    message::<v1::WatchResponse>(bytes);
    if let Ok(v1::WatchResponse {
        message: Some(v1::watch_response::Message::Manifest(manifest)),
        ..
    }) = v1::WatchResponse::decode(bytes)
    {
        let digest = manifest_digest(&manifest.entries, manifest.settings.as_ref());
        assert_eq!(digest, manifest_digest(&manifest.entries, manifest.settings.as_ref()));
    }
}

macro_rules! messages {
    ($($name:ident),+ $(,)?) => {
        [
            $((stringify!($name), message::<v1::$name> as fn(&[u8])),)+
            ("WatchRequest", word),
            ("WatchResponse", answer),
        ]
    };
}

/// Every request of the wire, and the one answer that a sidecar acts upon.
pub const MESSAGES: [Target; 53] = messages![
    AbortRotationRequest,
    AccessSecretVersionRequest,
    ActivateSecretVersionRequest,
    ApplyManifestRequest,
    CreateAdminRequest,
    CreateJoinTokenRequest,
    DeleteSecretRequest,
    DestroySecretVersionRequest,
    EvictInstanceRequest,
    GetAdminRequest,
    GetAgentRequest,
    GetBrokerRequest,
    GetReceiptRequest,
    GetRotationRequest,
    GetSecretRequest,
    GetTrailKeyRequest,
    JoinRequest,
    ListAdminsRequest,
    ListAgentStatusesRequest,
    ListAgentsRequest,
    ListAuditEntriesRequest,
    ListChannelsRequest,
    ListConditionsRequest,
    ListProvidersRequest,
    ListRotationsRequest,
    PlanRotationsRequest,
    CheckProviderRequest,
    ListReferencesRequest,
    DiagnoseReferencesRequest,
    ListEnvironmentsRequest,
    UseEnvironmentRequest,
    ListSecretVersionsRequest,
    ListSecretsRequest,
    PutSecretRequest,
    ReadTrailRequest,
    RenewAdminRequest,
    RenewRequest,
    RevokeAdminRequest,
    RevokeAgentRequest,
    StartRotationsRequest,
    TellConditionsRequest,
    TestChannelRequest,
    TraceAgentRequest,
    TraceSecretRequest,
    QuarantineAgentRequest,
    ReleaseAgentRequest,
    FollowAuditRequest,
    RecordArchiveRequest,
    ResolveRequest,
    MatchSecretsRequest,
    UndeleteSecretRequest,
];

#[cfg(test)]
mod tests;
