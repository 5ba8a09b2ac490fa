//! Known answers, computed by `vectors.py` from the layouts on another library.

use crate::{context::Context, data_key::DataKey, key_bytes::KeyBytes, root_key::*};
use secretref_domain::{id::SecretId, name::EnvironmentName, version::Version};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) const VALUE: &[u8] = b"correct horse battery staple";
pub(crate) const PASSPHRASE: &[u8] = b"a passphrase of 28 letters..";
pub(crate) const MAC_PARTS: &[&[u8]] = &[b"grant", b"", b"7"];

/// AAD of the value.
pub(crate) const SEALING_AAD: &str = concat!(
    "010105000000000000000e7365637265742d76657273696f6e000000000000000a70726f64756374696f6e000000",
    "0000000010aaaaaaaabbbb4ccc8dddeeeeeeeeeeee00000000000000080000000000000007000000000000000576",
    "616c7565",
);
/// AAD of the wrapped data key.
pub(crate) const WRAPPING_AAD: &str = concat!(
    "010206000000000000000e7365637265742d76657273696f6e000000000000000a70726f64756374696f6e000000",
    "0000000010aaaaaaaabbbb4ccc8dddeeeeeeeeeeee00000000000000080000000000000007000000000000000576",
    "616c7565000000000000001011111111222243338444555555555555",
);
/// Check value of the root key.
pub(crate) const CHECK: &str = "905bcf742bbcd7491667fb20deea0b6071a283917ddac8c60ae759d3c7a1accb";
/// The data key under the root key.
pub(crate) const WRAPPED: &str = concat!(
    "0211111111222243338444555555555555404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c",
    "5d5e5fbfd8466a537da4b73dba3444c747e6433983731fe3f58f7fbb0408b53f6fd30045b915128a661e200becf9",
    "2c7f0ae1c47f8d87c4f95a637214c69f1a8c61d14d4203466b2529a6569008fcb8350ffe6a",
);
/// The value under the data key.
pub(crate) const SEALED: &str = concat!(
    "01606162636465666768696a6b81fbdfd996b30f75912b15cf706a11180673fe70382d2bbd6ad7d50d408a10b009",
    "22e5294f7e119c021ec223",
);
/// SHA-256 of that.
pub(crate) const SEALED_DIGEST: &str =
    "1347b3a46a10e019fb0d9344e3806cd1108bad0b40889707da23806644b4e832";
/// MAC of the parts under the data key.
pub(crate) const AUTHORITY_MAC: &str =
    "180ad90153dc2ca16e1ea321b210642d2df14a231a12a41731974e8dfcf60c53";
/// Blinding of the parts under the data key.
pub(crate) const BLIND: &str = "9e7f0aefaae7c25c4d9abe791f213ff6b710664da2b0dbfa642828d883e4b9c5";
/// Chain hash of "first entry" after 32 zeros.
pub(crate) const CHAIN: &str = "870d24bb3211972445237e78e07dab4d5d5f9dcd7367ead1cb79f806d388667f";
/// The root key in a file slot.
pub(crate) const FILE_SLOT: &str = "\
secretref root key v1
kind: file
kek: 11111111-2222-4333-8444-555555555555
key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
sum: 7431e0c60bd9229381a4e6a4f48593c34e9e0ff7609c96738db1d7320cd734a4
";
/// The root key in a passphrase slot, with the salt 00 01 02 ….
pub(crate) const PASSPHRASE_SLOT: &str = "\
secretref root key v1
kind: passphrase
kek: 11111111-2222-4333-8444-555555555555
argon2id: m=65536,t=3,p=1
salt: AAECAwQFBgcICQoLDA0ODw==
commit: LjGOfOX/jZjIa1shewQ4mjxoVitzncbEqMOYXfrRoKU=
sealed: T1gzIfrEYytgjCtYVjvTS8AKhB5Zkdxj08YvO3ajdgZdiqg2AfajkssMhJiqXjum
sum: 8ec02839fcbfd23da816565a5e5c2dafdc34d15688cd74872ee81b9285f21798
";

/// The bytes from, from + 1, from + 2 and so on.
pub(crate) fn counting<const N: usize>(from: u8) -> [u8; N] {
    let mut next = from;
    [(); N].map(|()| {
        next += 1;
        next - 1
    })
}

pub(crate) fn kek_id() -> KekId {
    "11111111-2222-4333-8444-555555555555".parse().unwrap()
}

pub(crate) fn root_key() -> RootKey {
    RootKey::from_bytes(kek_id(), Zeroizing::new(counting(0)))
}

pub(crate) fn data_key() -> DataKey {
    DataKey::from_key_bytes(KeyBytes::copy_of(&counting(32)))
}

pub(crate) fn secret() -> SecretId {
    SecretId(Uuid::parse_str("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").unwrap())
}

pub(crate) fn environment() -> EnvironmentName {
    EnvironmentName::parse("production").unwrap()
}

pub(crate) fn version() -> Version {
    Version::new(7).unwrap()
}

pub(crate) fn context() -> Context {
    Context::secret_version(&environment(), secret(), version())
}

/// Contexts that each differ from [`context`] in one part, and two of another kind.
pub(crate) fn other_contexts() -> Vec<Context> {
    let elsewhere = EnvironmentName::parse("productio").unwrap();
    let another = SecretId(Uuid::from_u128(secret().0.as_u128() ^ 1));
    vec![
        Context::secret_version(&elsewhere, secret(), version()),
        Context::secret_version(&environment(), another, version()),
        Context::secret_version(&environment(), secret(), version().next()),
        Context::key("value"),
        Context::blob("value"),
    ]
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Every way to change one bit of the bytes, one at a time.
pub(crate) fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(move |bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}
