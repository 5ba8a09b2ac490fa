//! What a template can name, and what it did name.

use super::text::Text;
use crate::snapshot::{Held, Snapshot};
use minijinja::{
    Value,
    value::{Enumerator, Object},
};
use secretref_domain::{
    name::{AgentName, SecretName},
    value::SecretValue,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One value, or that there is one which is not UTF-8.
#[derive(Debug)]
struct Word {
    secret: SecretName,
    text: Option<Value>,
}

type Words = BTreeMap<String, Arc<Word>>;

/// Every value of a set, by each of its names.
pub(super) struct Known {
    agent: Value,
    secrets: Arc<Words>,
    tools: BTreeMap<String, Arc<Words>>,
}

/// What one rendering looked up.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    secrets: BTreeSet<SecretName>,
    unreadable: Option<String>,
}

impl Known {
    pub(super) fn of(agent: &AgentName, snapshot: &Snapshot) -> Self {
        let mut secrets = Words::new();
        let mut tools: BTreeMap<String, Words> = BTreeMap::new();
        for (name, held) in snapshot.entries() {
            // What lapsed has no value, and no template may go on as if it had.
            let Some(value) = &held.value else { continue };
            let word = Arc::new(Word { secret: name.clone(), text: Text::copy(value.expose()) });
            for target in held.targets.iter() {
                if let Some(variable) = &target.env_var {
                    secrets.entry(variable.to_string()).or_insert_with(|| Arc::clone(&word));
                }
                let tool = tools.entry(target.tool.clone()).or_default();
                tool.insert(target.key.clone(), Arc::clone(&word));
            }
            // A file's name is the agent's own choice and counts before another's variable.
            let files = held.targets.iter().map(|target| target.file.to_string());
            secrets.extend(files.map(|file| (file, Arc::clone(&word))));
        }
        Self {
            agent: Value::from(agent.as_str()),
            secrets: Arc::new(secrets),
            tools: tools.into_iter().map(|(tool, words)| (tool, Arc::new(words))).collect(),
        }
    }
}

impl Uses {
    pub(super) fn taken(&self) -> BTreeSet<SecretName> {
        std::mem::take(&mut self.lock().secrets)
    }

    /// The last name that was looked up and is not UTF-8.
    pub(super) fn unreadable(&self) -> Option<String> {
        self.lock().unreadable.clone()
    }

    fn look_up(&self, name: &str, word: &Word) -> Option<Value> {
        let mut used = self.lock();
        used.secrets.insert(word.secret.clone());
        if word.text.is_none() {
            used.unreadable = Some(name.to_owned());
        }
        word.text.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The template's outermost names.
#[derive(Debug)]
pub(super) struct Root {
    names: BTreeMap<&'static str, Value>,
    own: Word,
    uses: Arc<Uses>,
}

impl Root {
    pub(super) fn new(
        known: &Known,
        uses: &Arc<Uses>,
        own: &SecretName,
        held: &Held,
        value: &SecretValue,
    ) -> Self {
        let shelf = |words: &Arc<Words>| {
            Value::from_object(Shelf { words: Arc::clone(words), uses: Arc::clone(uses) })
        };
        let tools = known.tools.iter().map(|(tool, words)| (tool.clone(), shelf(words)));
        let own = Word { secret: own.clone(), text: Text::copy(value.expose()) };
        let mut names = BTreeMap::from([
            ("agent", known.agent.clone()),
            ("version", Value::from(held.version.get())),
            ("secrets", shelf(&known.secrets)),
            ("tools", Value::from_object(Tools(tools.collect()))),
        ]);
        if let Some(until) = held.expires_at {
            names.insert("valid_until", Value::from(until.to_string()));
        }
        Self { names, own, uses: Arc::clone(uses) }
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            OWN => self.uses.look_up(OWN, &self.own),
            name => self.names.get(name).cloned(),
        }
    }
}

const OWN: &str = "value";

/// Values by name; notes which are looked up.
#[derive(Debug)]
struct Shelf {
    words: Arc<Words>,
    uses: Arc<Uses>,
}

impl Object for Shelf {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.uses.look_up(name, self.words.get(name)?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.words.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

/// Tools by name.
#[derive(Debug)]
struct Tools(BTreeMap<String, Value>);

impl Object for Tools {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }
}
