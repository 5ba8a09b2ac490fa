//! Leaf certificates: one name, one purpose, one hour.

use super::{
    Authority, AuthorityError,
    root::{Line, Purpose, new_serial, set_validity},
};
use rcgen::{CertificateParams, DistinguishedName, IsCa, KeyUsagePurpose, SanType, SerialNumber};
use rustls_pki_types::{CertificateDer, ServerName};
use secretref_identity::{peer::Serial, request::PublicKey, subject::Subject};
use std::net::IpAddr;
use uuid::Uuid;

/// How long an agent's certificate lives unless told otherwise: 1 hour.
pub const AGENT_LIFETIME_SECONDS: i64 = 60 * 60;
/// The shortest life of an agent's certificate: 15 minutes.
pub const AGENT_LIFETIME_SECONDS_MIN: i64 = 15 * 60;
/// The longest life of an agent's certificate: 24 hours.
pub const AGENT_LIFETIME_SECONDS_MAX: i64 = DAY;

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The leaf, then its intermediate; DER each.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's serial number.
    pub serial: Serial,
    /// First second of the leaf, since the epoch: 60 before it was issued, for clocks behind.
    pub not_before: i64,
    /// Last second of the leaf, since the epoch; never after its issuer's.
    pub not_after: i64,
    /// SHA-256 of the leaf's subject public key info.
    pub spki_sha256: [u8; 32],
}

impl Authority {
    /// A certificate for one copy of an agent. `lifetime` is in seconds; the certificate ends
    /// earlier where its issuer does.
    ///
    /// # Errors
    /// [`AuthorityError`] where the lifetime is out of bounds or the issuer has ended.
    pub fn issue_agent(
        &self,
        key: &PublicKey,
        agent: Uuid,
        instance: Uuid,
        now: i64,
        lifetime: i64,
    ) -> Result<Issued, AuthorityError> {
        let bounds = (AGENT_LIFETIME_SECONDS_MIN, AGENT_LIFETIME_SECONDS_MAX);
        let subject = Subject::Agent { agent, instance };
        self.issue(&self.agents, key, subject, Vec::new(), (now, lifetime), bounds)
    }

    /// A certificate for an administrator: 15 minutes to 90 days.
    ///
    /// # Errors
    /// [`AuthorityError`] where the lifetime is out of bounds or the issuer has ended.
    pub fn issue_admin(
        &self,
        key: &PublicKey,
        admin: Uuid,
        now: i64,
        lifetime: i64,
    ) -> Result<Issued, AuthorityError> {
        let subject = Subject::Admin { admin };
        self.issue(&self.admins, key, subject, Vec::new(), (now, lifetime), (15 * 60, 90 * DAY))
    }

    /// A certificate for a broker: 15 minutes to 90 days. `names` are DNS names and IP addresses,
    /// for tools that compare them; our own clients go by the broker's identity.
    ///
    /// # Errors
    /// [`AuthorityError`] where a name or the lifetime is wrong, or the issuer has ended.
    pub fn issue_server(
        &self,
        key: &PublicKey,
        broker: Uuid,
        names: &[String],
        now: i64,
        lifetime: i64,
    ) -> Result<Issued, AuthorityError> {
        if names.len() > SERVER_NAMES_MAX {
            return Err(AuthorityError::TooManyNames(names.len()));
        }
        let names = names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        let subject = Subject::Broker { broker };
        self.issue(&self.servers, key, subject, names, (now, lifetime), (15 * 60, 90 * DAY))
    }

    fn issue(
        &self,
        line: &Line,
        key: &PublicKey,
        subject: Subject,
        mut names: Vec<SanType>,
        (now, lifetime): (i64, i64),
        (min, max): (i64, i64),
    ) -> Result<Issued, AuthorityError> {
        let whom = line.purpose.whom();
        if !(min..=max).contains(&lifetime) {
            return Err(AuthorityError::Lifetime { whom, given: lifetime, min, max });
        }
        let issuer = line.present.validity_at(now, whom)?;
        let not_before = issuer.not_before.max(now - BACKDATE_SECONDS);
        let not_after = issuer.not_after.min(now.saturating_add(lifetime));
        let serial = new_serial()?;
        names.insert(0, SanType::URI(subject.uri(&self.domain).try_into()?));
        let params = leaf_params(line.purpose, names, serial, (not_before, not_after))?;
        let leaf = line.present.sign(&params, key.spki_der())?;
        Ok(Issued {
            chain: vec![leaf, line.present.certificate.clone()],
            serial,
            not_before,
            not_after,
            spki_sha256: key.spki_sha256(),
        })
    }
}

/// What a leaf says: its name, that it signs handshakes, and for which side. It has no subject:
/// with an empty one the name extension is critical, and nobody can go by a common name.
fn leaf_params(
    purpose: Purpose,
    names: Vec<SanType>,
    serial: Serial,
    (not_before, not_after): (i64, i64),
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    set_validity(&mut params, not_before, not_after)?;
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose.key_usage()];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn server_name(given: &str) -> Result<SanType, AuthorityError> {
    let wrong = || AuthorityError::ServerName(given.chars().take(128).collect());
    if let Ok(address) = given.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    match ServerName::try_from(given) {
        Ok(ServerName::DnsName(_)) => Ok(SanType::DnsName(given.try_into().map_err(|_| wrong())?)),
        _ => Err(wrong()),
    }
}

/// Most names of a server besides its identity.
pub(super) const SERVER_NAMES_MAX: usize = 16;
const BACKDATE_SECONDS: i64 = 60;
const DAY: i64 = 24 * 60 * 60;
