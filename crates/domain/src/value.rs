//! The value of a secret.

use crate::{limit::VALUE_BYTES_MAX, placeholder::looks_like_example, service};
use zeroize::Zeroizing;

/// The bytes of a secret: 1 to 65,536. They cannot be printed, cloned, compared or serialised,
/// and are overwritten when dropped. [`SecretValue::expose`] is the only way to them, and the law
/// (`tidy`) lists who may call it.
///
/// ```compile_fail
/// let value = secretref_domain::value::SecretValue::new(b"x".to_vec()).unwrap();
/// println!("{value:?}");
/// ```
/// ```compile_fail
/// let value = secretref_domain::value::SecretValue::new(b"x".to_vec()).unwrap();
/// println!("{value}");
/// ```
/// ```compile_fail
/// let value = secretref_domain::value::SecretValue::new(b"x".to_vec()).unwrap();
/// let copy = value.clone();
/// ```
/// ```compile_fail
/// let value = secretref_domain::value::SecretValue::new(b"x".to_vec()).unwrap();
/// serde_json::to_string(&value);
/// ```
pub struct SecretValue(Zeroizing<Vec<u8>>);

/// Why a value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It has no byte.
    #[error("the value is empty; a secret has 1 to {VALUE_BYTES_MAX} bytes")]
    Empty,
    /// It has too many bytes.
    #[error("the value has {0} bytes; a secret has 1 to {VALUE_BYTES_MAX} bytes")]
    TooLong(usize),
}

impl SecretValue {
    /// Takes the bytes of a secret as they are.
    ///
    /// # Errors
    /// [`ValueError`] where there are none or too many; the bytes are overwritten then too.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ValueError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(ValueError::Empty),
            1..=VALUE_BYTES_MAX => Ok(Self(bytes)),
            too_many => Err(ValueError::TooLong(too_many)),
        }
    }

    /// The bytes. Every call is a place where a secret could leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether it looks like an example; see [`looks_like_example`].
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        looks_like_example(&self.0)
    }

    /// The service that a value of its shape is for; see [`service::of_shape`].
    #[must_use]
    pub fn service(&self) -> Option<&'static str> {
        service::of_shape(&self.0)
    }

    /// The variable that the tools of its service read, where its shape says which service.
    #[must_use]
    pub fn variable(&self) -> Option<&'static str> {
        service::kind_of(&self.0)?.variables.first().copied()
    }

    /// What is wrong with it, where it is said to be of a service; see [`service::complaint`].
    #[must_use]
    pub fn complaint(&self, said: Option<&str>) -> Option<service::Complaint> {
        service::complaint(&self.0, said)
    }

    /// How many bytes there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a value is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl AsRef<[u8]> for SecretValue {
    /// Lets the value be the owner of a shared buffer, which then overwrites it when dropped.
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
