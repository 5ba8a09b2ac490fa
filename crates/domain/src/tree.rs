//! The Merkle tree of RFC 6962 (and RFC 9162): one hash for any number of leaves, and a short proof
//! that a tree of more leaves begins with the leaves of a smaller one.
//!
//! ```text
//! leaf = SHA-256(0x00 | entry)          node = SHA-256(0x01 | left | right)
//!
//!            root of 7                  A tree of any size is made of complete subtrees, the
//!          /           \                largest first: 7 = 4 + 2 + 1. Only those are kept, each
//!      (2,0)            .               at its level and index; what lies between them and the
//!     /     \         /   \             root is worked out each time.
//!  (1,0)   (1,1)   (1,2)  (0,6)
//!   / \     / \     / \     |
//!  0   1   2   3   4   5    6
//! ```

use crate::hash::sha256;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// A complete subtree: 2^`level` leaves, the first of which is leaf `index` * 2^`level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its height: 0 for a leaf.
    pub level: u32,
    /// Its number among those of its level, from 0.
    pub index: u64,
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Hashes of its complete subtrees, the largest first: one for each bit of the size.
    subtrees: Vec<Hash>,
}

/// Hash of a leaf.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// Hash of a node above two others.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// Hash of the tree without leaves.
#[must_use]
pub fn empty() -> Hash {
    sha256(&[])
}

impl Frontier {
    /// The edge of a tree, by the hashes of its complete subtrees in the order of
    /// [`complete`]; none where they are not as many as it has.
    #[must_use]
    pub fn of(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        let fits = subtrees.len() == usize::try_from(size.count_ones()).ok()?;
        fits.then_some(Self { size, subtrees })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash, and tells of each subtree that is complete by it, the leaf
    /// itself first.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(Place, Hash)) {
        let (mut hash, mut place) = (leaf, Place { level: 0, index: self.size });
        complete(place, hash);
        // As in a binary counter: each bit that is carried over joins two subtrees.
        while place.index % 2 == 1
            && let Some(left) = self.subtrees.pop()
        {
            hash = node(&left, &hash);
            place = Place { level: place.level + 1, index: place.index / 2 };
            complete(place, hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The hash of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        join(&self.subtrees).unwrap_or_else(empty)
    }
}

/// The complete subtrees that a tree of this size is made of, the largest first.
#[must_use]
pub fn complete(size: u64) -> Vec<Place> {
    cover(0, size)
}

/// The hash of a subtree, from the hashes of the complete ones that it is made of, the largest
/// first; none for none.
#[must_use]
pub fn join(subtrees: &[Hash]) -> Option<Hash> {
    let (last, before) = subtrees.split_last()?;
    Some(before.iter().rev().fold(*last, |right, left| node(left, &right)))
}

/// What a proof is made of that a tree of `old` leaves is the beginning of one of `new`: for each
/// of its hashes, in order, the complete subtrees that are joined to it. Nothing where the two are
/// the same size or the old one is empty; such need no proof. None where `old` is larger.
#[must_use]
pub fn consistency(old: u64, new: u64) -> Option<Vec<Vec<Place>>> {
    if old > new {
        return None;
    }
    let mut parts = Vec::new();
    if old == 0 || old == new {
        return Some(parts);
    }
    // RFC 6962, 2.1.2, from the root down; a range begins at a multiple of its power of two. What
    // is split off is nearer to the root, and comes after what is found below it.
    let (mut begin, mut end, mut whole) = (0, new, true);
    while old != end {
        let split = begin + split(end - begin);
        if old <= split {
            parts.push(cover(split, end));
            end = split;
        } else {
            parts.push(cover(begin, split));
            (begin, whole) = (split, false);
        }
    }
    // Where the old tree is a subtree of the new one, its root is known to whoever checks.
    if !whole {
        parts.push(cover(begin, end));
    }
    parts.reverse();
    Some(parts)
}

/// Whether a tree of `old` leaves with a root is the beginning of one of `new` with another, by a
/// proof (RFC 9162, 2.1.4.2).
#[must_use]
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty();
    }
    let mut path = proof.iter();
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    let first = if old_size.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut old_seen, mut new_seen) = (*first, *first);
    for step in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            old_seen = node(step, &old_seen);
            new_seen = node(step, &new_seen);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            new_seen = node(&new_seen, step);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && old_seen == *old_root && new_seen == *new_root
}

/// The complete subtrees of a range that begins where one of its size may begin.
fn cover(mut begin: u64, end: u64) -> Vec<Place> {
    let mut places = Vec::new();
    while begin < end {
        let level = (end - begin).ilog2();
        places.push(Place { level, index: begin >> level });
        begin += 1 << level;
    }
    places
}

/// The largest power of two that is smaller than a size of 2 or more.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests;
