//! The walk over a file's value: objects against their tables, lists item by item.

use super::{
    Draft, agents, groups, literal,
    problems::{At, Problems, shown},
    providers, references, rotation, scalar,
    tables::{self, Table},
};
use crate::name::{EnvironmentName, ProviderAlias};
use serde_json::{Map, Value};

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node<'v> {
    pub(super) at: At,
    pub(super) value: &'v Value,
}

/// The members of an object whose keys are in its table.
pub(super) struct Fields<'v> {
    at: At,
    members: &'v Map<String, Value>,
}

/// Reads one file.
pub(super) fn file(at: &At, value: &Value, problems: &mut Problems) -> Draft {
    let mut draft = Draft::default();
    let root = Node { at: at.clone(), value };
    if holds_values(value) {
        problems.add(
            at,
            "it looks like a secrets.json of the file provider: its entries are records with a \
             `value`. It is no manifest and must not be applied",
            "leave it on the broker's host and name it as `secrets.providers.file.path` of a \
             manifest, or store each value with `secretref put NAME`",
        );
        return draft;
    }
    let Some(fields) = root.fields(&tables::FILE, problems) else {
        return draft;
    };
    if let Some(node) = fields.at("secrets")
        && let Some(secrets) = node.fields(&tables::SECRETS, problems)
    {
        if let Some(node) = secrets.at("providers") {
            providers::all(&node, &mut draft, problems);
        }
        if let Some(node) = secrets.at("rotators") {
            rotation::rotators(&node, &mut draft, problems);
        }
    }
    agents::all(&fields, &mut draft, problems);
    if let Some(node) = fields.at("groups") {
        groups::all(&node, &mut draft, problems);
    }
    if let Some(node) = fields.at("refMap") {
        references::ref_map(&node, &mut draft, problems);
    }
    if let Some(node) = fields.at("environments") {
        references::environments(&node, &mut draft, problems);
    }
    if let Some(node) = fields.at("openclaw")
        && let Some(openclaw) = node.fields(&tables::OPENCLAW, problems)
        && let Some(node) = openclaw.at("gateway")
    {
        gateway(&node, &mut draft, problems);
    }
    if let Some(node) = fields.at("alerts")
        && let Some(alerts) = node.fields(&tables::ALERTS, problems)
        && let Some(node) = alerts.at("channels")
    {
        providers::channels(&node, &mut draft, problems);
    }
    draft
}

fn gateway(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    let Some(gateway) = node.fields(&tables::GATEWAY, problems) else {
        return;
    };
    if let Some(node) = gateway.at("environment") {
        draft.environment = scalar::name(&node, EnvironmentName::parse, problems);
    }
    if let Some(node) = gateway.at("secrets")
        && let Some(secrets) = node.fields(&tables::GATEWAY_SECRETS, problems)
    {
        if let Some(node) = secrets.at("active-provider") {
            draft.active_provider = scalar::name(&node, ProviderAlias::parse, problems);
        }
        if let Some(node) = secrets.at("refMap") {
            references::ref_map(&node, draft, problems);
        }
    }
}

/// Whether a file is the file provider's: no key of a manifest, and records with a value.
fn holds_values(value: &Value) -> bool {
    let record = |entry: &Value| entry.get("value").is_some();
    value.as_object().is_some_and(|root| {
        root.values().any(record)
            && !root.keys().any(|key| tables::FILE.keys.contains(&key.as_str()))
    })
}

impl<'v> Node<'v> {
    /// The object that this must be, with every key that its table has not reported.
    pub(super) fn fields(&self, table: &Table, problems: &mut Problems) -> Option<Fields<'v>> {
        let members = self.object(table.of, problems)?;
        for key in members.keys().filter(|key| !table.keys.contains(&key.as_str())) {
            let problem = format!("the key {} is unknown", shown(key));
            let advice = if problems.is_full() { String::new() } else { table.advice(key) };
            problems.add(&self.at.key(key), problem, advice);
        }
        Some(Fields { at: self.at.clone(), members })
    }

    /// The entries of the object that this must be, whose keys are names that people chose.
    pub(super) fn entries<N, E: std::fmt::Display>(
        &self,
        of: &str,
        parse: fn(&str) -> Result<N, E>,
        problems: &mut Problems,
    ) -> Vec<(N, Node<'v>)> {
        let Some(members) = self.object(of, problems) else {
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(members.len());
        for (key, value) in members {
            let at = self.at.key(key);
            if literal::like_credential(key) {
                let fix = "store it with `secretref put NAME`, write NAME here, and rotate it";
                problems.add(&at, "a credential stands where a name belongs", fix);
                continue;
            }
            match parse(key) {
                Ok(name) => entries.push((name, Node { at, value })),
                Err(error) => problems.add(&at, error.to_string(), "give it another name"),
            }
        }
        entries
    }

    /// The items of the list that this must be.
    pub(super) fn items(
        &self,
        of: &str,
        count_max: usize,
        problems: &mut Problems,
    ) -> Option<Vec<Node<'v>>> {
        let Some(items) = self.value.as_array() else {
            self.wrong_type(&format!("a list ({of})"), problems);
            return None;
        };
        if items.len() > count_max {
            let problem = format!("{} items are too many: there may be {count_max}", items.len());
            problems.add(&self.at, problem, "shorten the list");
            return None;
        }
        let place = |(index, value)| Node { at: self.at.index(index), value };
        Some(items.iter().enumerate().map(place).collect())
    }

    /// Reports what was found where something else was wanted.
    pub(super) fn wrong_type(&self, wanted: &str, problems: &mut Problems) {
        let found = match self.value {
            Value::Null => "`null`",
            Value::Bool(_) => "`true` or `false`",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let fix = if self.value.is_null() { "remove the key or give it a value" } else { "" };
        let fix = if fix.is_empty() { format!("write {wanted}") } else { fix.to_owned() };
        problems.add(&self.at, format!("found {found}, wanted {wanted}"), fix);
    }

    fn object(&self, of: &str, problems: &mut Problems) -> Option<&'v Map<String, Value>> {
        let members = self.value.as_object();
        if members.is_none() {
            self.wrong_type(&format!("an object ({of})"), problems);
        }
        members
    }
}

impl<'v> Fields<'v> {
    /// The member of this key.
    pub(super) fn at(&self, key: &str) -> Option<Node<'v>> {
        let value = self.members.get(key)?;
        Some(Node { at: self.at.key(key), value })
    }

    /// The place of the object.
    pub(super) fn place(&self) -> &At {
        &self.at
    }

    /// The members.
    pub(super) fn members(&self) -> &'v Map<String, Value> {
        self.members
    }
}
