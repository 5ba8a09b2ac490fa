//! What every provider does that a value is written back to, and what the others say.

use super::{CANARY, Held, World, ask, silent, value};
use anyhow::{Context, Result, bail};
use secretref_broker::providers::{Place, Provider, ProviderError};
use secretref_domain::{
    clock::Timestamp, fault::Fault, limit::VALUE_BYTES_MAX, value::SecretValue,
};
use secretref_testkit::wait::eventually;

/// The suite for one world that can be written.
macro_rules! is_written {
    ($world:ty) => {
        $crate::providers::suite::conforms!($world: write =>
            what_is_written_is_read_back,
            an_expiry_is_written_with_a_record,
            what_is_not_there_is_not_made,
        );
    };
}
pub(super) use is_written;

/// The suite for one world that cannot be.
macro_rules! is_not_written {
    ($world:ty) => {
        $crate::providers::suite::conforms!($world: write => what_cannot_be_written_says_so,);
    };
}
pub(super) use is_not_written;

pub(super) async fn write(
    provider: &Provider,
    place: &Place,
    value: impl Into<Vec<u8>>,
    expires_at: Option<&str>,
) -> Result<(), ProviderError> {
    let value = SecretValue::new(value.into()).unwrap();
    provider.write(place, &value, expires_at.and_then(Timestamp::parse)).await
}

/// Writes until nobody is in the way.
pub(super) async fn write_in_the_end(
    provider: &Provider,
    place: &Place,
    value: &str,
) -> Result<()> {
    eventually("a write that nobody disturbs", async || {
        match write(provider, place, value, None).await {
            Ok(()) => Ok(Some(())),
            Err(error) if error.fault == Fault::Unreachable => Ok(None),
            Err(error) => bail!(error),
        }
    })
    .await
}

pub(super) async fn what_is_written_is_read_back<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let place = world.put("written", &Held::value("before")).await?;
    let other = world.put("other", &Held::value("as it was")).await?;
    let provider = world.open()?;
    let texts = ["plain", " spaced \t", "two\nlines\n", "\"quoted\" \\ {}\r\n", "ünïcode ☃\0"];
    let mut values: Vec<Vec<u8>> = texts.map(|it| it.as_bytes().to_vec()).into();
    values.push(vec![b'x'; VALUE_BYTES_MAX]);
    for wanted in values {
        write(&provider, &place, wanted.clone(), None).await?;
        let found = ask(&provider, &place).await?;
        assert_eq!(found.value.expose(), wanted);
        assert_eq!(found.expires_at, None);
        // Written twice it is as written once.
        write(&provider, &place, wanted, None).await?;
        assert_eq!(ask(&provider, &place).await?.version, found.version);
    }
    assert_eq!(value(&provider, &other).await?, b"as it was");
    Ok(())
}

pub(super) async fn an_expiry_is_written_with_a_record<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let held = Held { value: b"before".to_vec(), expires_at: Some("2027-03-08T04:12:00Z") };
    let place = world.put("record", &held).await?;
    let provider = world.open()?;
    let ends = async || -> Result<Option<String>> {
        Ok(ask(&provider, &place).await?.expires_at.map(|it| it.to_string()))
    };
    write(&provider, &place, "after", Some("2028-03-08T04:12:00.5Z")).await?;
    assert_eq!(value(&provider, &place).await?, b"after");
    assert_eq!(ends().await?.as_deref(), Some("2028-03-08T04:12:00.5Z"));
    write(&provider, &place, "after", Some("2029-03-08T04:12:00Z")).await?;
    assert_eq!(ends().await?.as_deref(), Some("2029-03-08T04:12:00Z"));
    write(&provider, &place, "without an end", None).await?;
    assert_eq!(ends().await?, None);
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_made<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let provider = world.open()?;
    let outcome = write(&provider, &world.nowhere(), CANARY, None).await;
    let error = silent(outcome.err().context("it was written")?);
    assert_eq!(error.fault, Fault::NotFound, "{error}");
    assert!(ask(&provider, &world.nowhere()).await.is_err(), "it was made");
    Ok(())
}

pub(super) async fn what_cannot_be_written_says_so<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let place = world.put("kept", &Held::value("as it was")).await?;
    let provider = world.open()?;
    let outcome = write(&provider, &place, CANARY, None).await;
    let error = silent(outcome.err().context("it was written")?);
    assert_eq!(error.fault, Fault::Misconfigured, "{error}");
    assert!(error.message.contains("cannot be written"), "{error}");
    assert_eq!(value(&provider, &place).await?, b"as it was");
    Ok(())
}
