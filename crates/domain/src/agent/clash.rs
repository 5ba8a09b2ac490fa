//! Two credentials that are to be one file or one variable.

use super::{AgentSpec, Credential};
use crate::name::{CredentialKey, EnvVar, FileName, ToolName};
use std::collections::BTreeMap;

/// A tool and the key of one of its credentials.
pub type Slot<'s> = (&'s ToolName, &'s CredentialKey);

/// Two credentials of one agent that cannot both be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash<'s> {
    /// The second of the two.
    pub at: Slot<'s>,
    /// The first of the two.
    pub other: Slot<'s>,
    /// What both are to be, in words.
    what: String,
    /// The refs that are to be in one place; none where only the form of the file differs.
    refs: Option<(&'s str, &'s str)>,
}

impl Clash<'_> {
    /// What is wrong and what to do, with the place of the first of the two.
    #[must_use]
    pub fn told(&self, other: &str) -> (String, &'static str) {
        let what = &self.what;
        match self.refs {
            Some((one, held)) => (
                format!("{what} is to hold ref {one:?}, and ref {held:?} of {other} too"),
                "give one of the two another `file` and `envVar`",
            ),
            None => (
                format!("{what} has another mode, owner or template at {other}"),
                "write the same at both, or give one another `file`",
            ),
        }
    }
}

impl AgentSpec {
    /// Every two credentials of which one would overwrite the other.
    #[must_use]
    pub fn clashes(&self) -> Vec<Clash<'_>> {
        let mut found = Vec::new();
        let mut files: BTreeMap<FileName, (Slot<'_>, &Credential)> = BTreeMap::new();
        let mut variables: BTreeMap<&EnvVar, (Slot<'_>, &Credential)> = BTreeMap::new();
        for (tool, key, credential) in self.credentials() {
            let at = (tool, key);
            let name = credential.file_name(key);
            let what = format!("the file {:?}", name.as_str());
            match files.get(&name) {
                Some(&(other, held)) => found.extend(clash(at, other, what, credential, held)),
                None => {
                    files.insert(name, (at, credential));
                }
            }
            let Some(variable) = &credential.env_var else {
                continue;
            };
            let what = format!("the variable {:?}", variable.as_str());
            match variables.get(variable) {
                // One file name that comes from one variable was reported as a file.
                Some((_, held)) if credential.file.is_none() && held.file.is_none() => {}
                Some(&(other, held)) if credential.secret_ref != held.secret_ref => {
                    found.extend(clash(at, other, what, credential, held));
                }
                Some(_) => {}
                None => {
                    variables.insert(variable, (at, credential));
                }
            }
        }
        found
    }
}

fn clash<'s>(
    at: Slot<'s>,
    other: Slot<'s>,
    what: String,
    one: &'s Credential,
    held: &'s Credential,
) -> Option<Clash<'s>> {
    let form = |it: &Credential| (it.mode, it.owner.clone(), it.template.clone());
    if one.secret_ref != held.secret_ref {
        let refs = Some((one.secret_ref.as_str(), held.secret_ref.as_str()));
        return Some(Clash { at, other, what, refs });
    }
    (form(one) != form(held)).then_some(Clash { at, other, what, refs: None })
}
