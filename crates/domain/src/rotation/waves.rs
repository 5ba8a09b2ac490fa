//! Which agents get a new version together: those whose program is not touched, all at once; of
//! those that have to be restarted, so many of one kind at a time that the others carry on.

use crate::{delivery::Effect, id::AgentId, name::AgentName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Agents that get a new version together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// The agents, ordered by name.
    pub agents: Vec<AgentId>,
}

/// What a new version does to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The agent.
    pub agent: AgentId,
    /// Its name.
    pub name: AgentName,
    /// Its kind: those of one kind can stand in for each other.
    pub kind: String,
    /// The worst that it does to any of its instances. Of an agent that has never said, it is taken
    /// for a restart.
    pub effect: Effect,
}

impl Touch {
    /// Whether the agent is away for a moment.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.effect == Effect::Restart
    }
}

/// The waves of a rotation; at least one, perhaps empty. At most `at_once` agents of one kind are
/// restarted in each.
#[must_use]
pub fn waves(mut touched: Vec<Touch>, at_once: usize) -> Vec<Wave> {
    touched.sort_by(|one, other| one.name.cmp(&other.name));
    let mut waves = vec![Wave::default()];
    let mut restarted: BTreeMap<String, usize> = BTreeMap::new();
    for touch in touched {
        let wave = match touch.restarts() {
            false => 0,
            true => {
                let before = restarted.entry(touch.kind).or_default();
                let wave = *before / at_once.max(1);
                *before += 1;
                wave
            }
        };
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Wave::default);
        }
        waves[wave].agents.push(touch.agent);
    }
    waves
}
