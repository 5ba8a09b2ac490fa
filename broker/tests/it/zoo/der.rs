//! DER by hand: certificates that no library would make.

use anyhow::{Context, Result, bail};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header, content.to_vec()].concat()
}

pub(super) fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A bit string without unused bits.
pub(super) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// An extension: `oid` is the content of its object identifier.
pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    seq(&[&tlv(0x06, oid), critical, &tlv(0x04, value)])
}

/// One of the extensions of RFC 5280: 2.5.29.`number`.
pub(super) fn standard(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    extension(&[0x55, 0x1d, number], critical, value)
}

/// A subject alternative name, critical as where the subject is empty.
pub(super) fn names(names: &[Vec<u8>]) -> Vec<u8> {
    standard(17, true, &tlv(0x30, &names.concat()))
}

/// A URI of a subject alternative name, of any bytes.
pub(super) fn uri(uri: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x86, uri.as_ref())
}

/// An extended key usage of these purposes: the last number of 1.3.6.1.5.5.7.3.x each.
pub(super) fn purposes(purposes: &[u8]) -> Vec<u8> {
    let purpose = |last: &u8| tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, *last]);
    standard(37, false, &tlv(0x30, &purposes.iter().map(purpose).collect::<Vec<_>>().concat()))
}

/// UTCTime, with whatever text.
pub(super) fn utc(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

/// GeneralizedTime, with whatever text.
pub(super) fn generalized(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

/// A second since the epoch, as UTCTime.
pub(super) fn time(seconds: i64) -> Vec<u8> {
    let at = jiff::Timestamp::from_second(seconds).unwrap();
    utc(&at.strftime("%y%m%d%H%M%SZ").to_string())
}

/// A name of one common name.
pub(super) fn common_name(text: &str) -> Vec<u8> {
    let attribute = seq(&[&tlv(0x06, &[0x55, 4, 3]), &tlv(0x0c, text.as_bytes())]);
    seq(&[&tlv(0x31, &attribute)])
}

/// An RSA key whose modulus has so many bits; nobody has its other half.
pub(super) fn rsa(modulus_bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xc3; modulus_bits / 8];
    modulus.insert(0, 0);
    let key = seq(&[&tlv(0x02, &modulus), &tlv(0x02, &[1, 0, 1])]);
    let oid = tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    seq(&[&seq(&[&oid, &[5, 0]]), &bits(&key)])
}

/// A key on a curve that its object identifier names, of so many bytes.
pub(super) fn curve(oid: &[u8], first: u8, bytes: usize) -> Vec<u8> {
    let public = tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
    let point = [vec![first], vec![0x5a; bytes]].concat();
    seq(&[&seq(&[&public, &tlv(0x06, oid)]), &bits(&point)])
}

/// The element at the start, without its header, and what follows it.
pub(super) fn split(der: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let (length, header) = match *der.get(1).context("an empty element")? {
        short @ ..=0x7f => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        _ => bail!("a longer element than any here"),
    };
    let end = header + length;
    Ok((&der[..end], &der[header..end], &der[end..]))
}

/// The elements of a sequence, each with its header.
pub(super) fn parts(sequence: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (_, mut rest, _) = split(sequence)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (whole, _, after) = split(rest)?;
        parts.push(whole.to_vec());
        rest = after;
    }
    Ok(parts)
}

/// A certificate that signs, with its key.
pub(super) struct Signer {
    pub(super) certificate: Vec<u8>,
    /// In PKCS#8 DER.
    pub(super) key: Vec<u8>,
}

impl Signer {
    /// Its subject, which is the issuer of what it signs.
    pub(super) fn name(&self) -> Result<Vec<u8>> {
        Ok(parts(&parts(&self.certificate)?[0])?[5].clone())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key)
            .context("a signer's key")?;
        let signature = pair.sign(&SystemRandom::new(), message).context("signing")?;
        Ok(signature.as_ref().to_vec())
    }
}

/// A certificate in the making: its parts in DER, in their order.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) version: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) inner_algorithm: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) validity: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) names: Vec<u8>,
    pub(super) usage: Vec<u8>,
    pub(super) purpose: Vec<u8>,
    pub(super) basic: Vec<u8>,
    /// Whatever else is among the extensions.
    pub(super) more: Vec<u8>,
    pub(super) outer_algorithm: Vec<u8>,
}

impl Draft {
    /// The parts of a real certificate, with the extensions spelled anew.
    pub(super) fn of(certificate: &[u8], spiffe: &str) -> Result<Self> {
        let part = parts(&parts(certificate)?[0])?;
        Ok(Self {
            version: part[0].clone(),
            serial: part[1].clone(),
            inner_algorithm: part[2].clone(),
            issuer: part[3].clone(),
            validity: part[4].clone(),
            subject: part[5].clone(),
            key: part[6].clone(),
            names: names(&[uri(spiffe)]),
            usage: standard(15, true, &[0x03, 0x02, 0x07, 0x80]),
            purpose: purposes(&[2]),
            basic: standard(19, true, &[0x30, 0]),
            more: Vec::new(),
            outer_algorithm: part[2].clone(),
        })
    }

    /// What is signed.
    pub(super) fn body(&self) -> Vec<u8> {
        let extensions =
            [&*self.names, &self.usage, &self.purpose, &self.basic, &self.more].concat();
        let extensions = match extensions.len() {
            0 => Vec::new(),
            _ => tlv(0xa3, &tlv(0x30, &extensions)),
        };
        seq(&[
            &self.version,
            &self.serial,
            &self.inner_algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.key,
            &extensions,
        ])
    }

    pub(super) fn sign(&self, by: &Signer) -> Result<Vec<u8>> {
        let body = self.body();
        Ok(seq(&[&body, &self.outer_algorithm, &bits(&by.sign(&body)?)]))
    }
}
