//! The authority as bytes, for whoever seals and stores it.
//!
//! ```text
//! ┌──────────┬──────────────┬────────┬────────┬────────┬─────────┐
//! │ 1 = v. 1 │ trust domain │ root   │ agents │ admins │ servers │
//! └──────────┴──────────────┴────────┴────────┴────────┴─────────┘
//! root                    = field: certificate, field: key
//! agents, admins, servers = field: certificate, field: key, count u8, then that many
//!                           field: certificate of a former one, newest first
//! field                   = length u32 big-endian, bytes; certificates in DER, keys in PKCS#8 DER
//! ```

use super::{
    Authority, AuthorityError,
    root::{Issuer, Line, Purpose},
};
use rustls_pki_types::CertificateDer;
use secretref_identity::{certificate, credentials::PrivateKey, subject::TrustDomain};
use zeroize::Zeroizing;

impl Authority {
    /// All of it, keys included, for a sealed place. Every call is a place where they could leak.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it from the start: a buffer that grows leaves copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(EXPORT_BYTES_MAX));
        out.push(VERSION);
        write(&mut out, self.domain.as_str().as_bytes());
        write_issuer(&mut out, &self.root);
        for line in [&self.agents, &self.admins, &self.servers] {
            write_issuer(&mut out, &line.present);
            let kept = line.former.iter().take(FORMER_MAX);
            out.push(kept.len() as u8);
            kept.for_each(|former| write(&mut out, former));
        }
        out
    }

    /// Reads what was exported, and checks that it is whole: every key fits its certificate.
    ///
    /// # Errors
    /// [`AuthorityError::Damaged`] where it is not.
    pub fn import(exported: &[u8]) -> Result<Self, AuthorityError> {
        let mut rest = Reader(exported);
        if rest.take(1)? != [VERSION] {
            return Err(AuthorityError::Damaged("it is of an unknown version"));
        }
        let domain = std::str::from_utf8(rest.field()?)
            .ok()
            .and_then(|domain| TrustDomain::parse(domain).ok())
            .ok_or(AuthorityError::Damaged("its trust domain is none"))?;
        let root = rest.issuer()?;
        let agents = rest.line(Purpose::Agents)?;
        let admins = rest.line(Purpose::Admins)?;
        let servers = rest.line(Purpose::Servers)?;
        if !rest.0.is_empty() {
            return Err(AuthorityError::Damaged("something follows it"));
        }
        Ok(Self { domain, root, agents, admins, servers })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], AuthorityError> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or(AuthorityError::Damaged("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<&'a [u8], AuthorityError> {
        let length = self.take(4)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }

    fn certificate(&mut self) -> Result<CertificateDer<'static>, AuthorityError> {
        let certificate = CertificateDer::from(self.field()?.to_vec());
        certificate::validity(&certificate)?;
        Ok(certificate)
    }

    fn issuer(&mut self) -> Result<Issuer, AuthorityError> {
        let certificate = self.certificate()?;
        let key = PrivateKey::from_der(Zeroizing::new(self.field()?.to_vec()))
            .map_err(|_| AuthorityError::Damaged("a key cannot be used"))?;
        let issuer = Issuer { certificate, key };
        match issuer.is_whole() {
            Ok(true) => Ok(issuer),
            _ => Err(AuthorityError::Damaged("a key does not belong to its certificate")),
        }
    }

    fn line(&mut self, purpose: Purpose) -> Result<Line, AuthorityError> {
        let present = self.issuer()?;
        let count = usize::from(self.take(1)?[0]);
        if count > FORMER_MAX {
            return Err(AuthorityError::Damaged("it has too many former intermediates"));
        }
        let former = (0..count).map(|_| self.certificate()).collect::<Result<_, _>>()?;
        Ok(Line { present, purpose, former })
    }
}

fn write_issuer(out: &mut Vec<u8>, issuer: &Issuer) {
    write(out, &issuer.certificate);
    write(out, issuer.key.expose_der());
}

fn write(out: &mut Vec<u8>, field: &[u8]) {
    // Everything written here is a bounded certificate, key or name, far below 4 GiB.
    out.extend_from_slice(&(field.len() as u32).to_be_bytes());
    out.extend_from_slice(field);
}

const VERSION: u8 = 1;
/// Renewal comes after 60 days of 90, so there is one former intermediate, and two where a clock
/// jumped. More are not kept.
const FORMER_MAX: usize = 8;
const EXPORT_BYTES_MAX: usize = 64 * 1024;
