//! Refs and providers as they are shown: where each ref's values come from, and what is wrong.

use super::{Custody, CustodyError, Itinerary, plan::event};
use secretref_domain::{
    caller::Caller,
    change::Origin,
    clock::Timestamp,
    ledger::{Finding, Ledger, Resolution, SourceFault},
    name::{
        AgentName, CredentialKey, EnvVar, EnvironmentName, ProviderAlias, SecretName, ToolName,
    },
    policy::Action,
    reference::{ProviderKind, ProviderSpec, Reference, Source},
    version::Version,
};
use std::collections::{BTreeMap, BTreeSet};

/// A ref as it is shown.
pub struct ReferenceView {
    /// Name.
    pub name: SecretName,
    /// What the refMap says of it; none where agents are bound to it without.
    pub reference: Option<Reference>,
    /// Its chain.
    pub sources: Vec<SourceView>,
    /// What it comes to, in words; or why it comes to nothing, and what helps.
    pub comes_to: Result<String, (String, String)>,
    /// The secret that it comes to.
    pub secret: Option<SecretName>,
    /// Version that agents get, and when it stops being valid.
    pub version: Option<(Version, Option<Timestamp>)>,
    /// Who is bound to it.
    pub bindings: Vec<BindingView>,
    /// When a sidecar last spoke of its secret.
    pub last_access: Option<Timestamp>,
}

/// A binding of a ref.
pub struct BindingView {
    /// The agent.
    pub agent: AgentName,
    /// Its tool.
    pub tool: ToolName,
    /// Key of the credential in the tool.
    pub key: CredentialKey,
    /// Variable that it becomes.
    pub env_var: Option<EnvVar>,
    /// Whether the agent cannot work without it.
    pub required: bool,
}

/// A place of a ref's chain as it is shown.
pub struct SourceView {
    /// The ref.
    pub reference: SecretName,
    /// The place.
    pub source: Source,
    /// Kind of its provider; none where it is not set up.
    pub kind: Option<ProviderKind>,
    /// Secret that its value is kept as.
    pub secret: Option<SecretName>,
    /// Version with what it held last.
    pub version: Option<Version>,
    /// Why it has no value now.
    pub fault: Option<SourceFault>,
    /// Since when it answers as it does.
    pub since: Option<Timestamp>,
    /// Whether agents get the ref's value from here.
    pub taken: bool,
    /// Where the version was copied from.
    pub origin: Option<Origin>,
}

/// A provider as it is shown.
pub struct ProviderView {
    /// Alias.
    pub alias: ProviderAlias,
    /// Kind.
    pub kind: ProviderKind,
    /// Its settings, where a manifest sets it up.
    pub spec: Option<ProviderSpec>,
    /// Refs of the environment that have a place in it.
    pub refs: usize,
    /// Those that it does not answer for.
    pub failing: usize,
}

impl Custody {
    /// At most `limit` refs after a name, ordered by name, and whether there are more.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where only one is asked for and it is not there; a denial.
    pub async fn list_references(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        only: Option<&SecretName>,
        after: Option<&SecretName>,
        limit: usize,
    ) -> Result<(Vec<ReferenceView>, bool), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "ref.list")).await?;
        let (page, more) = {
            let ledger = self.shared.ledger();
            let bindings = bindings(&ledger, &environment);
            let named = ledger.references(&environment).map(|(name, _)| name.clone());
            let names: BTreeSet<SecretName> = named.chain(bindings.keys().cloned()).collect();
            if let Some(only) = only.filter(|only| !names.contains(*only)) {
                return Err(CustodyError::NotFound {
                    kind: "ref",
                    name: only.to_string(),
                    fix: format!("secretref provider list --environment {environment}"),
                });
            }
            let wanted = |name: &SecretName| {
                only.is_none_or(|only| name == only) && after.is_none_or(|after| name > after)
            };
            let mut found = names.into_iter().filter(wanted);
            let mut bindings = bindings;
            let view = |name: SecretName| {
                let bound = bindings.remove(&name).unwrap_or_default();
                view(&ledger, &environment, name, bound)
            };
            let page: Vec<ReferenceView> = found.by_ref().take(limit).map(view).collect();
            (page, found.next().is_some())
        };
        Ok((self.with_access(caller, &environment, page).await?, more))
    }

    /// Everything that is odd or wrong about an environment, and how many refs were looked at.
    ///
    /// # Errors
    /// A denial.
    pub async fn diagnose(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
    ) -> Result<(EnvironmentName, Vec<Finding>, usize), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "ref.diagnose")).await?;
        let ledger = self.shared.ledger();
        let connected = |agent| !self.feed().live(agent).is_empty();
        let findings = ledger.findings(&environment, self.now(), connected);
        let named = ledger.references(&environment).map(|(name, _)| name.clone());
        let refs: BTreeSet<_> = named.chain(ledger.bound_refs(&environment).into_keys()).collect();
        Ok((environment, findings, refs.len()))
    }

    /// Every provider that is set up or that a ref names, by alias.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_providers(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
    ) -> Result<Vec<ProviderView>, CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "provider.list")).await?;
        Ok(providers(&self.shared.ledger(), &environment))
    }

    /// One provider, the places of an environment that are in it, and the environment.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], or a denial.
    pub async fn provider_to_check(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        alias: &ProviderAlias,
    ) -> Result<(EnvironmentName, ProviderView, Itinerary), CustodyError> {
        let environment = self.environment(environment);
        let record = || {
            let mut record = event(caller, "provider.check");
            (record.object_kind, record.object) = ("provider", alias.to_string());
            record.environment = environment.to_string();
            record
        };
        self.permit(caller, Action::AgentWrite, record).await?;
        let (found, itinerary) = {
            let ledger = self.shared.ledger();
            let found = providers(&ledger, &environment).into_iter().find(|it| it.alias == *alias);
            let mut itinerary = Itinerary::of(&ledger);
            itinerary.places.retain(|place| {
                place.environment == environment && place.source.provider == *alias
            });
            (found, itinerary)
        };
        let found = found.ok_or_else(|| CustodyError::NotFound {
            kind: "provider",
            name: alias.to_string(),
            fix: "secretref provider list".into(),
        })?;
        self.writer.note(vec![record()]).await?;
        Ok((environment, found, itinerary))
    }

    /// The places of a provider in an environment, by ref.
    #[must_use]
    pub fn sources_in(
        &self,
        environment: &EnvironmentName,
        alias: &ProviderAlias,
    ) -> Vec<SourceView> {
        let ledger = self.shared.ledger();
        let named = ledger.references(environment).map(|(name, _)| name.clone());
        let names: BTreeSet<_> = named.chain(ledger.bound_refs(environment).into_keys()).collect();
        let of = |name: &SecretName| sources(&ledger, environment, name);
        let all = names.iter().flat_map(of);
        all.filter(|view| view.source.provider == *alias).collect()
    }

    /// Adds when a sidecar last spoke of each secret.
    async fn with_access(
        &self,
        caller: &Caller,
        environment: &EnvironmentName,
        mut page: Vec<ReferenceView>,
    ) -> Result<Vec<ReferenceView>, CustodyError> {
        let agents: BTreeSet<_> = {
            let ledger = self.shared.ledger();
            let bound = page.iter().flat_map(|view| &view.bindings);
            let named = bound.filter_map(|it| ledger.agent_named(environment, &it.agent));
            named.map(|agent| agent.id).collect()
        };
        let mut last: BTreeMap<SecretName, Timestamp> = BTreeMap::new();
        for agent in agents {
            for report in self.agent_reports(caller, agent).await? {
                if let Some(name) = self.secret_name(report.secret) {
                    let at = last.entry(name).or_insert(report.at);
                    *at = report.at.max(*at);
                }
            }
        }
        for view in &mut page {
            view.last_access = view.secret.as_ref().and_then(|name| last.get(name).copied());
        }
        Ok(page)
    }
}

fn bindings(
    ledger: &Ledger,
    environment: &EnvironmentName,
) -> BTreeMap<SecretName, Vec<BindingView>> {
    let mut bindings: BTreeMap<SecretName, Vec<BindingView>> = BTreeMap::new();
    for agent in ledger.agents_after(environment, None) {
        let spec = agent.effective();
        for (tool, key, credential) in spec.credentials() {
            let reference = ledger.reference(environment, &credential.secret_ref);
            bindings.entry(credential.secret_ref.clone()).or_default().push(BindingView {
                agent: agent.name.clone(),
                tool: tool.clone(),
                key: key.clone(),
                env_var: credential.env_var.clone(),
                required: spec.requires(tool, reference.and_then(|it| it.required)),
            });
        }
    }
    bindings
}

fn view(
    ledger: &Ledger,
    environment: &EnvironmentName,
    name: SecretName,
    bindings: Vec<BindingView>,
) -> ReferenceView {
    let reference = ledger.reference(environment, &name).cloned();
    let (comes_to, secret) = match ledger.resolve(environment, &name, None) {
        Resolution::Secret(resolved) => (Ok(resolved.describe()), Some(resolved.secret)),
        Resolution::Unresolved { reason, fix } => (Err((reason, fix)), None),
    };
    let kept = secret.as_ref().and_then(|name| ledger.secret_named(environment, name));
    let version = kept.filter(|kept| kept.deleted_at.is_none()).and_then(|kept| {
        let version = kept.versions.get(&kept.current).filter(|version| !version.destroyed)?;
        let own = reference.as_ref().and_then(|reference| reference.expires_at);
        Some((kept.current, version.expires_at.or(own)))
    });
    let comes_to = match (&secret, version) {
        (Some(secret), None) => {
            Err((format!("secret {secret:?} has no value"), format!("secretref put {secret}")))
        }
        _ => comes_to,
    };
    let sources = sources(ledger, environment, &name);
    ReferenceView {
        name,
        reference,
        sources,
        comes_to,
        secret,
        version,
        bindings,
        last_access: None,
    }
}

fn sources(ledger: &Ledger, environment: &EnvironmentName, name: &SecretName) -> Vec<SourceView> {
    let taken = match ledger.resolve(environment, name, None) {
        Resolution::Secret(resolved) => Some(resolved.source),
        Resolution::Unresolved { .. } => None,
    };
    let view = |link: secretref_domain::ledger::Link| {
        let state = ledger.source_state(environment, name, &link.source);
        let kept = link.secret.as_ref().and_then(|name| ledger.secret_named(environment, name));
        let stored = kept.filter(|kept| kept.deleted_at.is_none()).map(|kept| kept.current);
        let version = match link.kind {
            Some(ProviderKind::Store) => stored,
            _ => state.and_then(|state| state.version),
        };
        let origin = version
            .and_then(|version| kept?.versions.get(&version))
            .and_then(|version| version.traits.origin.clone());
        SourceView {
            reference: name.clone(),
            kind: link.kind,
            secret: link.secret,
            version,
            fault: state.and_then(|state| state.fault.clone()),
            since: state.map(|state| state.since),
            taken: taken.as_ref() == Some(&link.source),
            origin,
            source: link.source,
        }
    };
    ledger.chain(environment, name).into_iter().map(view).collect()
}

fn providers(ledger: &Ledger, environment: &EnvironmentName) -> Vec<ProviderView> {
    let named = ledger.references(environment).map(|(name, _)| name.clone());
    let names: BTreeSet<_> = named.chain(ledger.bound_refs(environment).into_keys()).collect();
    let mut found: BTreeMap<ProviderAlias, ProviderView> = BTreeMap::new();
    for (alias, spec) in ledger.providers() {
        let (kind, spec) = (spec.kind, Some(spec.clone()));
        let view = ProviderView { alias: alias.clone(), kind, spec, refs: 0, failing: 0 };
        found.insert(alias.clone(), view);
    }
    for source in names.iter().flat_map(|name| sources(ledger, environment, name)) {
        let Some(kind) = source.kind else { continue };
        let alias = source.source.provider;
        let view = found.entry(alias.clone()).or_insert_with(|| ProviderView {
            alias,
            kind,
            spec: None,
            refs: 0,
            failing: 0,
        });
        view.refs += 1;
        view.failing += usize::from(source.fault.is_some() || source.version.is_none());
    }
    found.into_values().collect()
}
