//! What began and what is over between two looks: pure.

use super::shown::Shown;
use secretref_domain::condition::ConditionKind;

/// What was so at the last look.
#[derive(Default)]
pub(super) struct Seen(Vec<Shown>);

/// What is different.
#[derive(Debug, PartialEq)]
pub(super) enum Edge {
    /// It began, or got worse.
    Began(Shown),
    /// It is over.
    Over(Shown),
}

impl Edge {
    /// What it is about.
    pub(super) fn condition(&self) -> &Shown {
        match self {
            Self::Began(condition) | Self::Over(condition) => condition,
        }
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over(_))
    }
}

impl Seen {
    /// Takes what is so now; `more` says that it is not all, so that nothing is over for certain.
    pub(super) fn turn(&mut self, now: impl Iterator<Item = Shown>, more: bool) -> Vec<Edge> {
        let now: Vec<Shown> = now.collect();
        let before = std::mem::take(&mut self.0);
        let is_news = |condition: &&Shown| {
            let known = before.iter().find(|it| it.key() == condition.key());
            known.is_none_or(|known| known.severity != "error" && condition.severity == "error")
        };
        let mut edges: Vec<Edge> = now.iter().filter(is_news).cloned().map(Edge::Began).collect();
        let gone = |it: &&Shown| now.iter().all(|so| so.key() != it.key());
        let (kept, over): (Vec<&Shown>, Vec<&Shown>) =
            before.iter().filter(gone).partition(|_| more);
        let turned = |it: &&Shown| {
            let worse = ConditionKind::parse(&it.kind).and_then(ConditionKind::turns_into);
            worse.is_some_and(|kind| {
                let mut key = it.key();
                kind.as_str().clone_into(&mut key.kind);
                now.iter().any(|so| so.key() == key)
            })
        };
        edges.extend(over.into_iter().filter(|it| !turned(it)).cloned().map(Edge::Over));
        self.0 = now.into_iter().chain(kept.into_iter().cloned()).collect();
        edges
    }
}

#[cfg(test)]
mod tests;
