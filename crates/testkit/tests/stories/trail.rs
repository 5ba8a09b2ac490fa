//! An audit trail that somebody tampers with: whatever he does to what is signed is found, and
//! where.

mod archive;
mod broker;
mod kept;
mod state;
pub(crate) mod witness;

use crate::soak;
use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use kept::Kept;
use secretref_domain::trail::{Finding, Verdict};
use std::collections::BTreeMap;

/// What was done, and what has to be found.
struct Tampering {
    trail: Kept,
    /// A checkpoint that somebody kept.
    trusted: Option<String>,
    verdicts: &'static [Verdict],
    /// The entry that has to be among those that are named; none where it is no entry.
    spot: Option<(usize, i64)>,
}

type Kind = (&'static str, fn(Kept, &mut Rng) -> Option<Tampering>);

const KINDS: [Kind; 15] = [
    ("altered", altered),
    ("with another hash", another_hash),
    ("deleted", deleted),
    ("inserted", inserted),
    ("swapped", swapped),
    ("truncated", truncated),
    ("truncated with its checkpoints", truncated_with_its_checkpoints),
    ("hashed anew", hashed_anew),
    ("forked", forked),
    ("with two checkpoints after one", two_checkpoints_after_one),
    ("signed by another key", signed_by_another),
    ("without a checkpoint", without_a_checkpoint),
    ("cut off at the front", cut_off_at_the_front),
    ("cut off at the front by an unsigned word", cut_off_by_an_unsigned_word),
    ("with another edge", with_another_edge),
];

#[test]
fn every_tampering_is_found_and_located() -> Result<()> {
    let each = soak::count(500, 10_000);
    for (kind, tamper) in KINDS {
        let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut seed = 0;
        for _ in 0..each {
            let tampering = loop {
                seed += 1;
                let mut random = Rng::with_seed(seed);
                if let Some(tampering) = tamper(Kept::any(&mut random)?, &mut random) {
                    break tampering;
                }
            };
            let named = || format!("{kind}, seed {seed}");
            let found = found(&tampering).with_context(named)?;
            *verdicts.entry(found.verdict.as_str()).or_default() += 1;
        }
        soak::figure("trail", &format!("{each} {kind}: all found, {verdicts:?}"));
    }
    Ok(())
}

#[test]
fn a_clean_trail_raises_nothing() -> Result<()> {
    let each = soak::count(100, 10_000);
    for seed in 0..u64::try_from(each)? {
        let mut random = Rng::with_seed(seed);
        let trail = Kept::any(&mut random)?;
        for trusted in std::iter::once(None).chain(trail.notes.iter().map(|it| Some(&*it.note))) {
            let verified = trail.verify(trusted);
            let verified = verified.map_err(|finding| anyhow::anyhow!("seed {seed}: {finding}"))?;
            let entries: usize = trail.lanes.iter().map(Vec::len).sum();
            let signed = trail.notes.last().map_or(0, |it| it.checkpoint.size);
            ensure!(verified.entries() == u64::try_from(entries)?, "seed {seed}: {verified:?}");
            ensure!(verified.unsigned() == verified.entries() - signed, "seed {seed}");
            ensure!(verified.checkpoints() == u64::try_from(trail.notes.len())?, "seed {seed}");
        }
        archived(trail, &mut random).with_context(|| format!("seed {seed}, archived"))?;
    }
    soak::figure("trail", &format!("{each} clean trails: nothing raised"));
    Ok(())
}

/// What is archived, and said to be so by a signed entry, is not missed.
fn archived(mut trail: Kept, random: &mut Rng) -> Result<()> {
    if trail.notes.is_empty() {
        return Ok(());
    }
    let at = random.usize(..trail.notes.len());
    let size = trail.notes[at].checkpoint.size;
    trail.say_archived(size, true)?;
    let entries: usize = trail.lanes.iter().map(Vec::len).sum();
    trail.cut_front(at);
    let verified = trail.verify(None).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    ensure!(verified.begins() == size, "{verified:?}");
    ensure!(verified.entries() + size == u64::try_from(entries)?, "{verified:?}");
    ensure!(verified.unsigned() == 0 && verified.archives().contains_key(&size), "{verified:?}");
    Ok(())
}

fn found(tampering: &Tampering) -> Result<Finding> {
    let Tampering { trail, trusted, verdicts, spot } = tampering;
    let finding = match trail.verify(trusted.as_deref()) {
        Ok(verified) => bail!("nothing was found: {verified:?}"),
        Err(finding) => finding,
    };
    ensure!(verdicts.contains(&finding.verdict), "{verdicts:?}: {finding}");
    if let Some((lane, seq)) = spot {
        let here = finding.spot.with_context(|| format!("nowhere: {finding}"))?;
        let inside = here.lane == kept::lane(*lane) && (here.first..=here.last).contains(seq);
        ensure!(inside, "entry {seq} of lane {lane}: {finding}");
    }
    Ok(finding)
}

/// One byte of an entry is another: where that is its lane or its number, it says that it is
/// another's.
fn altered(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let entry = &mut trail.lanes[lane][at];
    let byte = random.usize(..entry.canonical.len());
    entry.canonical[byte] ^= 1 << random.u8(..8);
    let spot = Some((lane, entry.seq));
    // Format, then 4 + 16 bytes of the lane, then 8 of the number.
    let verdicts: &[Verdict] = match byte {
        5..29 => &[Verdict::Misplaced],
        _ => &[Verdict::Altered],
    };
    Some(Tampering { trail, trusted: None, verdicts, spot })
}

fn another_hash(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let entry = &mut trail.lanes[lane][at];
    entry.hash[random.usize(..32)] ^= 1 << random.u8(..8);
    let spot = Some((lane, entry.seq));
    Some(Tampering { trail, trusted: None, verdicts: &[Verdict::Altered], spot })
}

fn deleted(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    if at + 1 == trail.lanes[lane].len() {
        return None;
    }
    let seq = trail.lanes[lane].remove(at).seq;
    let verdicts = &[Verdict::Misplaced];
    Some(Tampering { trail, trusted: None, verdicts, spot: Some((lane, seq)) })
}

/// What comes after it makes room, and says still what it is; the last that a checkpoint signs is
/// missed there.
fn inserted(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let forged = trail.forged(lane, at, random);
    let seq = forged.seq;
    for entry in &mut trail.lanes[lane][at..] {
        entry.seq += 1;
    }
    trail.lanes[lane].insert(at, forged);
    let last_of_one =
        trail.notes.iter().any(|it| it.checkpoint.end_of(kept::lane(lane)).seq == seq);
    let (verdicts, first): (&[Verdict], i64) = match last_of_one {
        true => (&[Verdict::Altered], seq),
        false => (&[Verdict::Misplaced], seq + 1),
    };
    Some(Tampering { trail, trusted: None, verdicts, spot: Some((lane, first)) })
}

fn swapped(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let other = random.usize(..trail.lanes[lane].len());
    if at == other {
        return None;
    }
    let entries = &mut trail.lanes[lane];
    entries.swap(at, other);
    let (one, two) = (entries[at].seq, entries[other].seq);
    (entries[at].seq, entries[other].seq) = (two, one);
    let verdicts = &[Verdict::Misplaced];
    Some(Tampering { trail, trusted: None, verdicts, spot: Some((lane, one.min(two))) })
}

fn truncated(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let seq = trail.lanes[lane][at].seq;
    trail.lanes[lane].truncate(at);
    let verdicts = &[Verdict::Truncated];
    Some(Tampering { trail, trusted: None, verdicts, spot: Some((lane, seq)) })
}

/// As a backup from before would have it: only who kept a checkpoint knows.
fn truncated_with_its_checkpoints(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let trusted = trail.notes.last()?.note.clone();
    let keep = random.usize(..trail.notes.len());
    trail.notes.truncate(keep);
    for (lane, entries) in trail.lanes.iter_mut().enumerate() {
        let last = trail.notes.last().map_or(0, |it| it.checkpoint.end_of(kept::lane(lane)).seq);
        entries.truncate(usize::try_from(last).unwrap_or(0));
    }
    let verdicts = &[Verdict::Truncated];
    Some(Tampering { trail, trusted: Some(trusted), verdicts, spot: None })
}

/// From an entry on the chain is another, and fits in itself.
fn hashed_anew(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let (lane, at) = trail.signed(random)?;
    let forged = trail.forged(lane, at, random);
    let seq = forged.seq;
    trail.lanes[lane][at] = forged;
    trail.chain(lane, at + 1);
    let verdicts = &[Verdict::Altered];
    Some(Tampering { trail, trusted: None, verdicts, spot: Some((lane, seq)) })
}

/// Whoever has the key signs another history: who kept a checkpoint of the first one knows.
fn forked(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let trusted = trail.notes.last()?.note.clone();
    let (lane, at) = trail.signed(random)?;
    trail.lanes[lane][at] = trail.forged(lane, at, random);
    trail.chain(lane, at + 1);
    trail.sign_again().ok()?;
    let verdicts = &[Verdict::Forked];
    Some(Tampering { trail, trusted: Some(trusted), verdicts, spot: None })
}

fn two_checkpoints_after_one(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    if trail.notes.len() < 2 {
        return None;
    }
    let at = random.usize(1..trail.notes.len());
    let mut second = trail.notes[at].checkpoint.clone();
    second.after = trail.notes[at - 1].checkpoint.after;
    trail.notes[at] = trail.signed_note(second).ok()?;
    let verdicts = &[Verdict::Forked];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}

fn signed_by_another(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let at = (!trail.notes.is_empty()).then(|| random.usize(..trail.notes.len()))?;
    trail.sign_by_another(at).ok()?;
    let verdicts = &[Verdict::Forked];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}

fn without_a_checkpoint(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    if trail.notes.len() < 2 {
        return None;
    }
    trail.notes.remove(random.usize(..trail.notes.len() - 1));
    let verdicts = &[Verdict::Misplaced];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}

/// With the very edge of the tree, and no word of an archive.
fn cut_off_at_the_front(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let at = (!trail.notes.is_empty()).then(|| random.usize(..trail.notes.len()))?;
    trail.cut_front(at);
    let verdicts = &[Verdict::Misplaced];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}

/// Anybody can put an entry at the end, where nothing signs it yet.
fn cut_off_by_an_unsigned_word(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let at = (!trail.notes.is_empty()).then(|| random.usize(..trail.notes.len()))?;
    trail.say_archived(trail.notes[at].checkpoint.size, false).ok()?;
    trail.cut_front(at);
    let verdicts = &[Verdict::Misplaced];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}

/// The tree goes on from another one than the checkpoint signs.
fn with_another_edge(mut trail: Kept, random: &mut Rng) -> Option<Tampering> {
    let at = (!trail.notes.is_empty()).then(|| random.usize(..trail.notes.len()))?;
    trail.say_archived(trail.notes[at].checkpoint.size, true).ok()?;
    trail.cut_front(at);
    let (_, edge) = trail.beginning.as_mut()?;
    let one = random.usize(..edge.len());
    edge[one][random.usize(..32)] ^= 1 << random.u8(..8);
    let verdicts = &[Verdict::Forked];
    Some(Tampering { trail, trusted: None, verdicts, spot: None })
}
