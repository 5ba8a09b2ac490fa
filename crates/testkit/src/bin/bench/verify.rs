//! How many entries of an audit trail are verified in a second.

use crate::table::{Figure, Table, Target};
use anyhow::{Result, ensure};
use secretref_domain::{
    audit::{Decision, Entry, Event},
    checkpoint::{Checkpoint, LaneEnd, origin},
    clock::Timestamp,
    hash::chain_hash,
    id::BrokerId,
    trail::{Row, Verifier},
    tree::{Frontier, leaf},
    version::Revision,
};
use secretref_identity::note::{NoteSigner, NoteVerifier};
use std::{collections::BTreeMap, time::Instant};
use uuid::Uuid;

/// Bytes and hash of an entry.
type Kept = (Vec<u8>, [u8; 32]);

/// A trail in memory, so that neither disk nor wire is measured.
struct Trail {
    key: NoteVerifier,
    parts: Vec<(String, Vec<Kept>)>,
}

/// Verifies a trail of one lane, as often as there are rounds; the median counts.
pub(crate) fn measure(rounds: usize) -> Result<Table> {
    let trail = Trail::make()?;
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        rates.push(trail.verify()?);
    }
    rates.sort_by(f64::total_cmp);
    let mut table =
        Table::new(format!("an audit trail of {ENTRIES} entries is verified, one core"));
    let figures = vec![Figure::new("verifier", rates[rates.len() / 2])];
    table.add("entries", "/s", figures, Some(Target::NumberMin(200_000.0)));
    Ok(table)
}

impl Trail {
    fn make() -> Result<Self> {
        let name = origin("example.org");
        let signer = NoteSigner::new(&name, &NoteSigner::generate()?)?;
        let (mut tree, mut end, mut parts) = (Frontier::default(), LaneEnd::START, Vec::new());
        while tree.size() < ENTRIES {
            let after = tree.size();
            let mut entries = Vec::new();
            for _ in 0..EACH {
                let canonical = entry(end.seq + 1).encode();
                end = LaneEnd { seq: end.seq + 1, hash: chain_hash(&end.hash, &canonical) };
                tree.push(leaf(&canonical), |_, _| {});
                entries.push((canonical, end.hash));
            }
            let lanes = BTreeMap::from([(LANE, end)]);
            let (origin, size, root) = (name.clone(), tree.size(), tree.root());
            let checkpoint = Checkpoint { origin, size, root, after, lanes };
            parts.push((signer.sign(&checkpoint.to_string())?, entries));
        }
        Ok(Self { key: signer.verifier(), parts })
    }

    fn verify(&self) -> Result<f64> {
        let begun = Instant::now();
        let found = |finding: secretref_domain::trail::Finding| anyhow::anyhow!("{finding}");
        let opener = self.key.opener();
        let mut verifier = Verifier::new(self.key.name(), None, opener).map_err(found)?;
        let mut seq = 0;
        for (note, entries) in &self.parts {
            verifier.checkpoint(note).map_err(found)?;
            for (canonical, hash) in entries {
                seq += 1;
                let row = Row { lane: LANE, seq, canonical, hash: *hash };
                verifier.entry(row).map_err(found)?;
            }
        }
        let verified = verifier.finish().map_err(found)?;
        ensure!(verified.entries() == ENTRIES && verified.unsigned() == 0, "{verified:?}");
        Ok(ENTRIES as f64 / begun.elapsed().as_secs_f64())
    }
}

fn entry(seq: i64) -> Entry {
    Entry {
        lane: LANE,
        seq,
        at: Timestamp::from_micros(1_790_000_000_000_000 + seq),
        revision: Revision(seq),
        authority_mac: [7; 32],
        event: Event {
            environment: "production".to_owned(),
            actor: "agent:payment-analyst/0190c2f4-7c1e-7a52-9f51-3a8f6f2b9d10".to_owned(),
            action: "secret.deliver",
            object_kind: "secret",
            object: "stripe-api-key".to_owned(),
            object_id: Uuid::from_u128(9),
            version: 4,
            decision: Decision::Allowed,
            reason: String::new(),
            peer: "10.0.0.7:41234".to_owned(),
            request_id: String::new(),
            recipients: Vec::new(),
        },
    }
}

const LANE: BrokerId = BrokerId(Uuid::from_u128(1));
const ENTRIES: u64 = 200_000;
/// Entries of a checkpoint.
const EACH: usize = 1_000;
