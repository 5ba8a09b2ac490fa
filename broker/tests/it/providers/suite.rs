//! What every provider does.

use super::{CANARY, Held, World, ask, error, value};
use anyhow::{Context, Result};
use futures_util::future::{join_all, try_join_all};
use secretref_broker::providers::VERSION_BYTES_MAX;
use secretref_domain::{fault::Fault, limit::VALUE_BYTES_MAX};

/// The suite, for one world.
macro_rules! conforms {
    ($world:ty) => {
        $crate::providers::suite::conforms!($world: suite =>
            values_are_exact,
            a_record_has_its_expiry,
            a_changed_value_is_another_version,
            what_is_not_there_is_not_found,
            places_fail_one_by_one,
            many_ask_at_once,
            what_is_too_large_is_said_to_be,
        );
    };
    ($world:ty: $suite:ident => $($name:ident,)+) => {
        $(
            #[tokio::test]
            async fn $name() -> anyhow::Result<()> {
                $crate::providers::$suite::$name::<$world>().await
            }
        )+
    };
}
pub(super) use conforms;

pub(super) async fn values_are_exact<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let texts = ["plain", " spaced \t", "two\nlines\n", "\"quoted\" \\ {}", "ünïcode ☃"];
    let mut values: Vec<Vec<u8>> = texts.map(|it| it.as_bytes().to_vec()).into();
    values.push(vec![b'x'; VALUE_BYTES_MAX]);
    if W::HOLDS_BYTES {
        values.push(vec![0xff, 0xfe, 0x01, b'\n', 0x80]);
    }
    let mut places = Vec::new();
    for (held, name) in values.iter().zip('a'..) {
        places.push(world.put(&format!("exact-{name}"), &Held::value(held.clone())).await?);
    }
    let provider = world.open()?;
    let answers = provider.fetch(&places).await;
    assert_eq!(answers.len(), values.len());
    for (answer, wanted) in answers.into_iter().zip(values) {
        let found = answer?;
        assert_eq!(found.value.expose(), wanted);
        assert_eq!(found.expires_at, None);
        assert!((1..=VERSION_BYTES_MAX).contains(&found.version.len()), "{:?}", found.version);
    }
    provider.check().await?;
    Ok(())
}

pub(super) async fn a_record_has_its_expiry<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let held = Held { value: b"sk_live".to_vec(), expires_at: Some("2027-03-08T04:12:00Z") };
    let place = world.put("record", &held).await?;
    let found = ask(&world.open()?, &place).await?;
    assert_eq!(found.value.expose(), b"sk_live");
    let wanted = W::HOLDS_RECORDS.then_some("2027-03-08T04:12:00Z".to_owned());
    assert_eq!(found.expires_at.map(|it| it.to_string()), wanted);
    Ok(())
}

pub(super) async fn a_changed_value_is_another_version<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let place = world.put("changing", &Held::value("first")).await?;
    let provider = world.open()?;
    let first = ask(&provider, &place).await?;
    let again = ask(&provider, &place).await?;
    assert_eq!(first.version, again.version, "nothing changed");
    assert_eq!(world.put("changing", &Held::value("second")).await?, place);
    let second = ask(&provider, &place).await?;
    if W::CHANGES {
        assert_eq!(second.value.expose(), b"second");
        assert_eq!(first.version != second.version, W::HAS_VERSIONS);
    } else {
        assert_eq!(second.value.expose(), b"first");
        assert_eq!(value(&world.open()?, &place).await?, b"second", "opened anew");
    }
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_found<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    world.put("there", &Held::value(CANARY)).await?;
    let nothing = error(&world.open()?, &world.nowhere()).await;
    assert_eq!(nothing.fault, Fault::NotFound, "{nothing}");
    Ok(())
}

pub(super) async fn places_fail_one_by_one<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let one = world.put("one", &Held::value("1")).await?;
    let two = world.put("two", &Held::value("2")).await?;
    let provider = world.open()?;
    let answers = provider.fetch(&[one, world.nowhere(), two]).await;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().context("an answer is missing");
    assert_eq!(next()??.value.expose(), b"1");
    assert_eq!(next()?.err().map(|it| it.fault), Some(Fault::NotFound));
    assert_eq!(next()??.value.expose(), b"2");
    assert!(next().is_err());
    assert!(provider.fetch(&[]).await.is_empty());
    Ok(())
}

pub(super) async fn many_ask_at_once<W: World>() -> Result<()> {
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let mut places = Vec::new();
    for name in 'a'..='t' {
        let held = Held::value(format!("value-{name}"));
        places.push(world.put(&format!("many-{name}"), &held).await?);
    }
    let provider = world.open()?;
    let all = join_all((0..20).map(|_| provider.fetch(&places))).await;
    assert_eq!(all.len(), 20);
    for answers in all {
        for (answer, name) in answers.into_iter().zip('a'..='t') {
            assert_eq!(answer?.value.expose(), format!("value-{name}").as_bytes());
        }
    }
    try_join_all(places.iter().map(|place| value(&provider, place))).await?;
    Ok(())
}

pub(super) async fn what_is_too_large_is_said_to_be<W: World>() -> Result<()> {
    if !W::HOLDS_TOO_MUCH {
        return Ok(());
    }
    let Some(mut world) = W::new().await? else { return Ok(()) };
    let mut value = CANARY.as_bytes().to_vec();
    value.resize(VALUE_BYTES_MAX + 1, b'x');
    let place = world.put("large", &Held::value(value)).await?;
    let error = error(&world.open()?, &place).await;
    assert_eq!(error.fault, Fault::TooLarge, "{error}");
    Ok(())
}
