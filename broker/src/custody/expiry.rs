//! When a value ends that nobody says it of: as it says itself.

use secretref_domain::{
    expiry::{Form, OwnExpiry},
    value::SecretValue,
};
use secretref_identity::certificate;

/// The end that a token, a session or a certificate says of itself; none for other values.
pub(super) fn own_expiry(value: &SecretValue) -> Option<OwnExpiry> {
    let bytes = value.expose();
    let certificates = || OwnExpiry::in_seconds(Form::Certificate, certificate::first_end(bytes)?);
    OwnExpiry::of(bytes).or_else(certificates)
}
