//! A trail as a database keeps it, made up: lanes, entries and checkpoints at random.

use anyhow::Result;
use fastrand::Rng;
use secretref_domain::{
    audit::{Decision, Entry, Event},
    checkpoint::{Checkpoint, LaneEnd, origin},
    clock::Timestamp,
    hash::chain_hash,
    id::BrokerId,
    trail::{ARCHIVED, Finding, Row, Verified, Verifier},
    tree::{Frontier, Hash, complete, leaf},
    version::Revision,
};
use secretref_identity::note::{NoteSigner, NoteVerifier};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) struct Kept {
    signer: NoteSigner,
    key: NoteVerifier,
    pub(super) lanes: Vec<Vec<KeptEntry>>,
    pub(super) notes: Vec<KeptNote>,
    /// Where it begins: a checkpoint, by its place, and the edge of its tree.
    pub(super) beginning: Option<(usize, Vec<Hash>)>,
}

#[derive(Clone)]
pub(super) struct KeptEntry {
    pub(super) seq: i64,
    pub(super) canonical: Vec<u8>,
    pub(super) hash: [u8; 32],
}

pub(super) struct KeptNote {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: String,
}

pub(super) fn lane(number: usize) -> BrokerId {
    BrokerId(Uuid::from_u128(0x0190 + number as u128))
}

impl Kept {
    /// Up to four lanes, up to eight checkpoints, and something that is not signed yet.
    pub(super) fn any(random: &mut Rng) -> Result<Self> {
        let name = origin("example.org");
        let signer = NoteSigner::new(&name, &NoteSigner::generate()?)?;
        let key = signer.verifier();
        let lanes = vec![Vec::new(); random.usize(1..=4)];
        let mut kept = Self { signer, key, lanes, notes: Vec::new(), beginning: None };
        for _ in 0..random.usize(0..=8) {
            for _ in 0..random.usize(1..=12) {
                let lane = random.usize(..kept.lanes.len());
                let entry = kept.forged(lane, kept.lanes[lane].len(), random);
                kept.lanes[lane].push(entry);
            }
            if random.u8(..4) > 0 {
                let ends = kept.lanes.iter().map(Vec::len).collect::<Vec<_>>();
                kept.sign(&ends)?;
            }
        }
        Ok(kept)
    }

    /// One of the entries that a checkpoint signs.
    pub(super) fn signed(&self, random: &mut Rng) -> Option<(usize, usize)> {
        let newest = &self.notes.last()?.checkpoint;
        let number = random.u64(..newest.size);
        let mut before = 0;
        for number_of_lane in 0..self.lanes.len() {
            let seq = u64::try_from(newest.end_of(lane(number_of_lane)).seq).ok()?;
            if number < before + seq {
                return Some((number_of_lane, usize::try_from(number - before).ok()?));
            }
            before += seq;
        }
        None
    }

    /// Takes away what a checkpoint signs, as if it had been archived.
    pub(super) fn cut_front(&mut self, at: usize) {
        let (mut tree, mut made) = (Frontier::default(), BTreeMap::new());
        let mut before: Option<&Checkpoint> = None;
        for it in &self.notes[..=at] {
            for (lane, after, last) in it.checkpoint.since(before) {
                for row in self.range(lane, after, last) {
                    tree.push(leaf(row.canonical), |place, hash| {
                        made.insert(place, hash);
                    });
                }
            }
            before = Some(&it.checkpoint);
        }
        let places = complete(self.notes[at].checkpoint.size);
        let edge = places.iter().filter_map(|place| made.get(place).copied()).collect();
        self.beginning = Some((at, edge));
    }

    /// Adds the word that the first entries are archived, and a checkpoint that signs it, or not.
    pub(super) fn say_archived(&mut self, entries: u64, is_signed: bool) -> Result<()> {
        let mut entry = Self::entry(0, self.lanes[0].len(), 0);
        entry.event.action = ARCHIVED;
        entry.event.version = i64::try_from(entries)?;
        let kept = self.chained(0, &entry);
        self.lanes[0].push(kept);
        if is_signed {
            let ends = self.lanes.iter().map(Vec::len).collect::<Vec<_>>();
            self.sign(&ends)?;
        }
        Ok(())
    }

    /// An entry that fits a place, after what stands before it.
    pub(super) fn forged(&self, number: usize, at: usize, random: &mut Rng) -> KeptEntry {
        self.chained(number, &Self::entry(number, at, random.u64(..)))
    }

    fn entry(number: usize, at: usize, seed: u64) -> Entry {
        let (seq, mut random) = (i64::try_from(at).unwrap_or(0) + 1, Rng::with_seed(seed));
        Entry {
            lane: lane(number),
            seq,
            at: Timestamp::from_micros(random.i64(0..1 << 50)),
            revision: Revision(seq),
            authority_mac: [random.u8(..); 32],
            event: Event {
                environment: "production".to_owned(),
                actor: format!("admin:a{}", random.u32(..)),
                action: "secret.put",
                object_kind: "secret",
                object: "stripe-api-key".to_owned(),
                object_id: Uuid::from_u128(u128::from(random.u64(..))),
                version: random.i64(0..100),
                decision: Decision::Allowed,
                reason: String::new(),
                peer: "127.0.0.1:7".to_owned(),
                request_id: String::new(),
                recipients: Vec::new(),
            },
        }
    }

    fn chained(&self, number: usize, entry: &Entry) -> KeptEntry {
        let (seq, canonical) = (entry.seq, entry.encode());
        let before = self.hash_before(number, usize::try_from(seq - 1).unwrap_or(0));
        let hash = chain_hash(&before, &canonical);
        KeptEntry { seq, canonical, hash }
    }

    /// Writes the hashes of a lane anew from an entry on.
    pub(super) fn chain(&mut self, number: usize, from: usize) {
        for at in from..self.lanes[number].len() {
            let before = self.hash_before(number, at);
            let entry = &mut self.lanes[number][at];
            entry.hash = chain_hash(&before, &entry.canonical);
        }
    }

    /// Signs the same checkpoints for what the lanes are now.
    pub(super) fn sign_again(&mut self) -> Result<()> {
        for note in std::mem::take(&mut self.notes) {
            let ends = (0..self.lanes.len()).map(|number| note.checkpoint.end_of(lane(number)).seq);
            let ends = ends.map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
            self.sign(&ends)?;
        }
        Ok(())
    }

    /// Signs one of the checkpoints with a key of the same name.
    pub(super) fn sign_by_another(&mut self, at: usize) -> Result<()> {
        let other = NoteSigner::new(self.key.name(), &NoteSigner::generate()?)?;
        let own = std::mem::replace(&mut self.signer, other);
        self.notes[at] = self.signed_note(self.notes[at].checkpoint.clone())?;
        self.signer = own;
        Ok(())
    }

    pub(super) fn signed_note(&self, checkpoint: Checkpoint) -> Result<KeptNote> {
        let note = self.signer.sign(&checkpoint.to_string())?;
        Ok(KeptNote { checkpoint, note })
    }

    /// Verifies it in the order in which a broker gives it.
    pub(super) fn verify(&self, trusted: Option<&str>) -> Result<Verified, Finding> {
        let mut verifier = Verifier::new(self.key.name(), trusted, self.key.opener())?;
        let sizes = self.notes.iter().map(|it| (it.checkpoint.size, it));
        let by_size: BTreeMap<u64, &KeptNote> = sizes.collect();
        let mut newest = None;
        if let Some((at, edge)) = &self.beginning {
            verifier.begin(&self.notes[*at].note, edge.clone())?;
            newest = Some(&self.notes[*at].checkpoint);
        }
        let begins = newest.map_or(0, |newest| newest.size);
        for it in by_size.values().filter(|it| it.checkpoint.size > begins) {
            verifier.checkpoint(&it.note)?;
            let before = by_size.get(&it.checkpoint.after).map(|it| &it.checkpoint);
            for (lane, after, last) in it.checkpoint.since(before) {
                self.range(lane, after, last).try_for_each(|row| verifier.entry(row))?;
            }
            newest = Some(&it.checkpoint);
        }
        for number in 0..self.lanes.len() {
            let end = newest.map_or(LaneEnd::START, |newest| newest.end_of(lane(number)));
            self.range(lane(number), end.seq, i64::MAX).try_for_each(|row| verifier.entry(row))?;
        }
        verifier.finish()
    }

    fn sign(&mut self, ends: &[usize]) -> Result<()> {
        let mut tree = Frontier::default();
        let mut before = vec![0; ends.len()];
        let ranges = self.notes.iter().map(|it| {
            let end = |number| it.checkpoint.end_of(lane(number)).seq;
            (0..ends.len()).map(|number| usize::try_from(end(number)).unwrap_or(0)).collect()
        });
        let steps: Vec<Vec<usize>> = ranges.chain(std::iter::once(ends.to_vec())).collect();
        for step in &steps {
            for (number, entries) in self.lanes.iter().enumerate() {
                for entry in &entries[before[number]..step[number]] {
                    tree.push(leaf(&entry.canonical), |_, _| {});
                }
            }
            before.clone_from(step);
        }
        let after = self.notes.last().map_or(0, |it| it.checkpoint.size);
        if tree.size() == after {
            return Ok(());
        }
        let lanes = ends.iter().enumerate().filter(|(_, end)| **end > 0).map(|(number, end)| {
            let KeptEntry { seq, hash, .. } = self.lanes[number][end - 1];
            (lane(number), LaneEnd { seq, hash })
        });
        let checkpoint = Checkpoint {
            origin: self.key.name().to_owned(),
            size: tree.size(),
            root: tree.root(),
            after,
            lanes: lanes.collect(),
        };
        let note = self.signed_note(checkpoint)?;
        self.notes.push(note);
        Ok(())
    }

    fn range(&self, of: BrokerId, after: i64, last: i64) -> impl Iterator<Item = Row<'_>> {
        let number = (0..self.lanes.len()).find(|number| lane(*number) == of).unwrap_or(0);
        let mut rows: Vec<&KeptEntry> = self.lanes[number].iter().collect();
        rows.sort_by_key(|entry| entry.seq);
        let inside = move |entry: &&KeptEntry| entry.seq > after && entry.seq <= last;
        rows.into_iter().filter(inside).map(move |entry| Row {
            lane: of,
            seq: entry.seq,
            canonical: &entry.canonical,
            hash: entry.hash,
        })
    }

    fn hash_before(&self, number: usize, at: usize) -> [u8; 32] {
        at.checked_sub(1).map_or([0; 32], |before| self.lanes[number][before].hash)
    }
}
