//! What every rotator does.

use super::{World, minted, silent, task};
use anyhow::{Context, Result, ensure};
use secretref_broker::rotators::{Credential, Rotator};

/// The suite, for one world.
macro_rules! conforms {
    ($world:ty) => {
        $crate::rotators::suite::conforms!($world =>
            the_new_one_works_and_the_old_one_ends_when_it_is_revoked,
            each_step_may_be_done_twice,
            what_is_withdrawn_ends_and_the_old_one_works,
            what_was_never_set_is_withdrawn_without_a_trace,
            one_that_is_wrong_is_refused,
            one_rotation_follows_another,
            nobody_there_is_tried_again,
        );
    };
    ($world:ty => $($name:ident,)+) => {
        $(
            #[tokio::test]
            async fn $name() -> anyhow::Result<()> {
                $crate::rotators::suite::$name::<$world>().await
            }
        )+
    };
}
pub(super) use conforms;

pub(super) async fn the_new_one_works_and_the_old_one_ends_when_it_is_revoked<W: World>()
-> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    ensure!(rotator.overlaps() == W::OVERLAPS, "it says otherwise of itself");
    ensure!(world.works(&old).await?, "the first one does not work");
    let task = task(&old);
    let new = minted(rotator.mint(&task).await?);
    ensure!(new.value.expose() != old.value.expose(), "it is the old one");
    ensure!(world.works(&old).await? != W::ONE_WAY, "the old one ended too early");
    rotator.set(&task, &new).await?;
    rotator.test(&task, &new).await?;
    ensure!(world.works(&new).await?, "the new one does not work");
    ensure!(world.works(&old).await? == W::OVERLAPS, "the overlap is otherwise than it says");
    rotator.revoke(&task).await?;
    ensure!(!world.works(&old).await?, "the old one still works");
    ensure!(world.works(&new).await?, "the new one was revoked");
    Ok(())
}

pub(super) async fn each_step_may_be_done_twice<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    // The broker died after the first, and nobody knows of it.
    let lost = minted(rotator.mint(&task).await?);
    let new = minted(rotator.mint(&task).await?);
    for _ in 0..2 {
        rotator.set(&task, &new).await?;
    }
    for _ in 0..2 {
        rotator.test(&task, &new).await?;
    }
    for _ in 0..2 {
        rotator.revoke(&task).await?;
    }
    ensure!(world.works(&new).await? && !world.works(&old).await?, "it came to something else");
    let same = lost.value.expose() == new.value.expose();
    ensure!(same || !world.works(&lost).await?, "one that nobody knows of was left");
    Ok(())
}

pub(super) async fn what_is_withdrawn_ends_and_the_old_one_works<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    let new = minted(rotator.mint(&task).await?);
    rotator.set(&task, &new).await?;
    if W::ONE_WAY {
        return cannot_go_back(&world, &rotator, &old, &new).await;
    }
    for _ in 0..2 {
        rotator.withdraw(&task, Some(&new)).await?;
        ensure!(world.works(&old).await?, "the old one does not work any more");
        ensure!(!world.works(&new).await?, "the new one still works");
    }
    Ok(())
}

pub(super) async fn what_was_never_set_is_withdrawn_without_a_trace<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    rotator.withdraw(&task, None).await?;
    let new = minted(rotator.mint(&task).await?);
    if W::ONE_WAY {
        return cannot_go_back(&world, &rotator, &old, &new).await;
    }
    rotator.withdraw(&task, Some(&new)).await?;
    ensure!(world.works(&old).await? && !world.works(&new).await?, "it left something");
    Ok(())
}

/// It says so, ends nothing that works, and the next rotation makes it good.
async fn cannot_go_back<W: World>(
    world: &W,
    rotator: &Rotator,
    old: &Credential,
    new: &Credential,
) -> Result<()> {
    let refused = rotator.withdraw(&task(old), Some(new)).await.err();
    let refused = silent(refused.context("it went back")?, &[old, new]);
    ensure!(refused.lasting && refused.fix.contains("rotate again"), "{refused}");
    ensure!(world.works(new).await?, "nobody is let in any more");
    let next = minted(rotator.mint(&task(old)).await?);
    ensure!(next.value.expose() == new.value.expose(), "another was made in vain");
    Ok(())
}

pub(super) async fn one_that_is_wrong_is_refused<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    let (task, wrong) = (task(&old), world.wrong()?);
    let refused = rotator.test(&task, &wrong).await.err();
    let refused = silent(refused.expect("it takes anything"), &[&old, &wrong]);
    ensure!(refused.lasting, "it would be tried again: {refused}");
    Ok(())
}

pub(super) async fn one_rotation_follows_another<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, mut old) = (world.open().await?, world.first().await?);
    let mut ended = Vec::new();
    for _ in 0..4 {
        let task = task(&old);
        let new = minted(rotator.mint(&task).await?);
        rotator.set(&task, &new).await?;
        rotator.test(&task, &new).await?;
        rotator.revoke(&task).await?;
        ended.push(std::mem::replace(&mut old, new));
    }
    ensure!(world.works(&old).await?, "the last one does not work");
    for gone in &ended {
        ensure!(!world.works(gone).await?, "one of those before works");
    }
    Ok(())
}

pub(super) async fn nobody_there_is_tried_again<W: World>() -> Result<()> {
    let Some(world) = W::new().await? else { return Ok(()) };
    let (rotator, old) = (world.nowhere().await?, world.first().await?);
    let (task, wrong) = (task(&old), world.wrong()?);
    let error = rotator.test(&task, &wrong).await.expect_err("nobody is there");
    let error = silent(error, &[&old, &wrong]);
    ensure!(!error.lasting, "it is given up: {error}");
    Ok(())
}
