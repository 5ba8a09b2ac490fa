//! What every provider does that is asked over a network, when what it asks is in trouble.

use super::{CANARY, Remote, TOKEN, error, silent};
use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use secretref_domain::fault::Fault;
use secretref_testkit::{
    authority::Authority,
    faulty::{Faulty, Trouble, nobody},
    memory,
};

/// The suite for one world over a network, and the one for every world.
macro_rules! conforms_remotely {
    ($world:ty) => {
        $crate::providers::suite::conforms!($world);
        $crate::providers::suite::conforms!($world: remote =>
            each_trouble_is_its_fault,
            nobody_there_is_unreachable,
            an_answer_without_end_is_not_read_on,
            a_redirect_is_not_followed,
            another_authority_is_not_believed,
        );
    };
}
pub(super) use conforms_remotely;

pub(super) async fn each_trouble_is_its_fault<W: Remote>() -> Result<()> {
    let answers = |status: u16| Trouble::Answers(status, format!("{{\"errors\":[\"{CANARY}\"]}}"));
    let page = format!("<html>{CANARY}</html>");
    let mut troubles = vec![
        (Trouble::Silent, Fault::TimedOut),
        (Trouble::Drips, Fault::TimedOut),
        (Trouble::Reset, Fault::Unreachable),
        (Trouble::Truncated, Fault::Unreachable),
        (answers(429), Fault::Unreachable),
        (answers(500), Fault::Unreachable),
        (answers(503), Fault::Unreachable),
        (answers(403), Fault::Denied),
        (Trouble::Garbage, Fault::Malformed),
        (Trouble::BadChunk, Fault::Malformed),
        (Trouble::Answers(200, page), Fault::Malformed),
        (Trouble::Answers(200, String::new()), Fault::Malformed),
    ];
    let wrong = W::of_the_wrong_type().into_iter();
    troubles.extend(wrong.map(|body| (Trouble::Answers(200, body), Fault::Malformed)));
    let tried = troubles.into_iter().map(async |(trouble, fault)| {
        let server = Faulty::start(trouble.clone()).await?;
        let aimed = W::aimed_at(&server.url(), None)?;
        let error = error(&aimed.provider, &aimed.place).await;
        assert_eq!(error.fault, fault, "{trouble:?}: {error}");
        assert!(server.requests() > 0, "{trouble:?}: it was not asked");
        let checked = aimed.provider.check().await.err();
        let checked = silent(checked.with_context(|| format!("{trouble:?} is nothing to it"))?);
        anyhow::Ok((trouble, checked))
    });
    try_join_all(tried).await?;
    Ok(())
}

pub(super) async fn nobody_there_is_unreachable<W: Remote>() -> Result<()> {
    let aimed = W::aimed_at(&nobody().await?, None)?;
    let error = error(&aimed.provider, &aimed.place).await;
    assert_eq!(error.fault, Fault::Unreachable, "{error}");
    Ok(())
}

pub(super) async fn an_answer_without_end_is_not_read_on<W: Remote>() -> Result<()> {
    let server = Faulty::start(Trouble::Endless).await?;
    let aimed = W::aimed_at(&server.url(), None)?;
    let own = std::process::id();
    memory::reset_peak(own)?;
    let before = memory::of(own)?.resident_bytes;
    let error = error(&aimed.provider, &aimed.place).await;
    assert_eq!(error.fault, Fault::TooLarge, "{error}");
    let grown = memory::of(own)?.peak_bytes.saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more were held");
    assert!(server.body_bytes() < SENT_BYTES_MAX, "{} bytes were taken", server.body_bytes());
    Ok(())
}

pub(super) async fn a_redirect_is_not_followed<W: Remote>() -> Result<()> {
    let elsewhere = Faulty::start(Trouble::Answers(200, "{}".to_owned())).await?;
    let server = Faulty::start(Trouble::Redirects(elsewhere.url())).await?;
    let aimed = W::aimed_at(&server.url(), None)?;
    let error = error(&aimed.provider, &aimed.place).await;
    assert_eq!(error.fault, Fault::Malformed, "{error}");
    assert!(error.message.contains("redirect"), "{error}");
    assert_eq!(elsewhere.requests(), 0, "the token went elsewhere");
    Ok(())
}

pub(super) async fn another_authority_is_not_believed<W: Remote>() -> Result<()> {
    let (right, wrong) = (Authority::new()?, Authority::new()?);
    let trouble = Trouble::Answers(500, TOKEN.to_owned());
    let server = Faulty::start_tls(trouble, &right.issue()?).await?;
    let aimed = W::aimed_at(&server.url(), Some(&wrong))?;
    let refused = error(&aimed.provider, &aimed.place).await;
    assert_eq!(refused.fault, Fault::Denied, "{refused}");
    assert!(refused.message.contains("certificate"), "{refused}");
    assert_eq!(server.requests(), 0, "a server that nobody knows was asked");
    // The same one is asked by who knows its authority.
    let aimed = W::aimed_at(&server.url(), Some(&right))?;
    let answered = error(&aimed.provider, &aimed.place).await;
    assert_eq!(answered.fault, Fault::Unreachable, "{answered}");
    assert!(server.requests() > 0);
    Ok(())
}

/// What a provider may hold of an answer of 1 GiB, with all that other tests of this process hold.
const GROWTH_BYTES_MAX: u64 = 256 << 20;
/// What a server may get rid of before it notices, in the buffers of the system.
const SENT_BYTES_MAX: u64 = 64 << 20;
