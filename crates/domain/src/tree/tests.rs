use super::*;
use crate::hash::sha256;
use std::collections::BTreeMap;

/// The definition of RFC 6962, 2.1, word for word.
fn naive(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(usize::try_from(split(more.len() as u64)).unwrap());
            node(&naive(left), &naive(right))
        }
    }
}

struct Tree {
    leaves: Vec<Hash>,
    kept: BTreeMap<Place, Hash>,
    edge: Frontier,
}

impl Tree {
    fn of(size: u64) -> Self {
        let mut tree =
            Self { leaves: Vec::new(), kept: BTreeMap::new(), edge: Frontier::default() };
        for number in 0..size {
            let hash = leaf(&number.to_be_bytes());
            tree.leaves.push(hash);
            tree.edge.push(hash, |place, hash| {
                assert_eq!(tree.kept.insert(place, hash), None, "{place:?} is told of once");
            });
        }
        tree
    }

    fn root(&self, size: u64) -> Hash {
        naive(&self.leaves[..usize::try_from(size).unwrap()])
    }

    fn join(&self, places: &[Place]) -> Hash {
        join(&places.iter().map(|place| self.kept[place]).collect::<Vec<_>>()).unwrap()
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency(old, new).unwrap().iter().map(|places| self.join(places)).collect()
    }
}

const SIZES: u64 = 70;

#[test]
fn hashes_are_those_of_certificate_transparency() {
    let hex = |hash: Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex(Frontier::default().root()), none);
    let of_nothing = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(hex(leaf(b"")), of_nothing);
    // The test tree of the reference implementation, of eight leaves.
    let leaves: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let mut edge = Frontier::default();
    leaves.iter().for_each(|entry| edge.push(leaf(entry), |_, _| {}));
    let eight = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
    assert_eq!(hex(edge.root()), eight);
}

#[test]
fn roots_are_those_of_the_definition_at_every_size() {
    let whole = Tree::of(SIZES);
    let mut edge = Frontier::default();
    for size in 0..=SIZES {
        assert_eq!(edge.root(), whole.root(size), "{size}");
        let kept: Vec<Hash> = complete(size).iter().map(|place| whole.kept[place]).collect();
        assert_eq!(Frontier::of(size, kept), Some(edge.clone()), "{size}");
        if let Some(leaf) = whole.leaves.get(usize::try_from(size).unwrap()) {
            edge.push(*leaf, |_, _| {});
        }
    }
    assert_eq!(Frontier::of(7, vec![[0; 32]; 2]), None);
}

#[test]
fn every_tree_is_proven_to_begin_with_every_smaller_one() {
    let tree = Tree::of(SIZES);
    for new in 0..=SIZES {
        for old in 0..=new {
            let (old_root, new_root, proof) =
                (tree.root(old), tree.root(new), tree.proof(old, new));
            let (before, after) = ((old, &old_root), (new, &new_root));
            assert!(is_consistent(before, after, &proof), "{old} to {new}");
            assert!(old == new || !is_consistent(after, before, &proof), "{new} to {old}");
        }
    }
    assert_eq!(consistency(8, 7), None);
}

#[test]
fn an_altered_proof_proves_nothing() {
    let tree = Tree::of(SIZES);
    for new in 1..=SIZES {
        for old in 1..=new {
            let (old_root, new_root, proof) =
                (tree.root(old), tree.root(new), tree.proof(old, new));
            let (before, after) = ((old, &old_root), (new, &new_root));
            for at in 0..proof.len() {
                let mut altered = proof.clone();
                altered[at][usize::try_from(new % 32).unwrap()] ^= 1;
                assert!(!is_consistent(before, after, &altered), "{old} to {new}, {at} altered");
                let mut shorter = proof.clone();
                shorter.remove(at);
                assert!(!is_consistent(before, after, &shorter), "{old} to {new} without {at}");
            }
            let mut longer = proof.clone();
            longer.push([7; 32]);
            assert!(!is_consistent(before, after, &longer), "{old} to {new}, and one more");
            let mut other = old_root;
            other[0] ^= 1;
            assert!(!is_consistent((old, &other), after, &proof), "{old} to {new}: another old");
            let mut other = new_root;
            other[0] ^= 1;
            assert!(!is_consistent(before, (new, &other), &proof), "{old} to {new}: another new");
        }
    }
}
