//! Every provider against the same suite, and against what is its own.
//!
//! A provider joins with one file here: a [`World`] that can hold values, [`Remote`] too where it
//! is asked over a network, and `conforms!` or `conforms_remotely!`.

mod aws_secrets_manager;
mod environment;
mod exec;
mod file;
mod log;
mod remote;
mod store;
mod suite;
mod vault;
mod write;

use anyhow::Result;
use secretref_broker::providers::{Found, Place, Provider, ProviderError};
use secretref_domain::name::SecretName;
use secretref_testkit::authority::Authority;

/// A provider, and whoever puts values into it.
trait World: Sized {
    /// Whether it can hold bytes that are no text.
    const HOLDS_BYTES: bool;
    /// Whether what it holds may have an expiry.
    const HOLDS_RECORDS: bool;
    /// Whether it can hold more than a value may be.
    const HOLDS_TOO_MUCH: bool;
    /// Whether what it holds can change while it is open.
    const CHANGES: bool;
    /// Whether it has words for versions.
    const HAS_VERSIONS: bool = true;

    /// An empty one; none where what it needs cannot be had here, which has been said then.
    async fn new() -> Result<Option<Self>>;

    /// Holds this under a name of `[a-z-]`, instead of what it held there, and says where.
    async fn put(&mut self, name: &str, held: &Held) -> Result<Place>;

    /// A place that holds nothing.
    fn nowhere(&self) -> Place;

    /// The provider, set up to ask it.
    fn open(&self) -> Result<Provider>;
}

/// What a world is to hold.
struct Held {
    value: Vec<u8>,
    expires_at: Option<&'static str>,
}

impl Held {
    fn value(value: impl Into<Vec<u8>>) -> Self {
        Self { value: value.into(), expires_at: None }
    }

    /// As a text, where it is one.
    fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

/// A provider that is asked over a network.
trait Remote: World {
    /// Bodies of an answer that are JSON and not what they should be, each with [`CANARY`] in it.
    fn of_the_wrong_type() -> Vec<String>;

    /// The provider, set up to ask this address with [`TOKEN`], and a place of it.
    fn aimed_at(address: &str, authority: Option<&Authority>) -> Result<Aimed>;
}

/// A provider that is set up to ask one address.
struct Aimed {
    provider: Provider,
    place: Place,
    /// What its own settings name, until it is dropped.
    _folder: tempfile::TempDir,
}

/// A value that no error may have in it.
const CANARY: &str = "canary-of-a-value-5ca1ab1e";
/// A credential of the provider's own that no error may have in it.
const TOKEN: &str = "canary-of-a-token-0ddba11";

/// A place with this target.
fn at(target: &str) -> Place {
    Place {
        reference: SecretName::parse("stripe_api_key").unwrap(),
        target: Some(target.to_owned()),
        path: None,
    }
}

/// Asks for one place.
async fn ask(provider: &Provider, place: &Place) -> Result<Found, ProviderError> {
    provider.fetch(std::slice::from_ref(place)).await.remove(0)
}

/// The value of a place; or the error, which says nothing of a value.
async fn value(provider: &Provider, place: &Place) -> Result<Vec<u8>> {
    Ok(ask(provider, place).await?.value.expose().to_vec())
}

/// The error of a place, which has neither value nor token in it.
async fn error(provider: &Provider, place: &Place) -> ProviderError {
    match ask(provider, place).await {
        Ok(_) => panic!("it has a value at {place:?}"),
        Err(error) => silent(error),
    }
}

/// The error, once it is seen that it says nothing that it must not.
fn silent(error: ProviderError) -> ProviderError {
    let said = format!("{error} {error:?}");
    assert!(!said.contains(CANARY), "it says a value: {said}");
    assert!(!said.contains(TOKEN), "it says a token: {said}");
    assert!(!error.message.is_empty() && !error.fix.is_empty(), "it says too little: {said}");
    error
}
