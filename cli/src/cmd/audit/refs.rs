//! Every ref of an environment: where it comes from, who is bound to it, which version.

use crate::{
    connect::{Session, ask_twice},
    failure::Failure,
    print::{json::present, time, version},
};
use secretref_proto::v1;
use serde::Serialize;

/// A ref as programs read it.
#[derive(Serialize)]
pub(in crate::cmd) struct Ref {
    /// Its name.
    pub(in crate::cmd) name: String,
    environment: String,
    source: Option<String>,
    secret: Option<String>,
    version: i64,
    valid_until: Option<String>,
    deprecation_date: Option<String>,
    last_access: Option<String>,
    reason: Option<String>,
    fix: Option<String>,
    sources: Vec<Source>,
    bindings: Vec<Binding>,
}

/// A place of its chain.
#[derive(Serialize)]
pub(in crate::cmd) struct Source {
    /// Alias of the provider.
    pub(in crate::cmd) provider: String,
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "type")]
    kind: String,
    target: Option<String>,
    path: Option<String>,
    secret: String,
    version: i64,
    source_version: Option<String>,
    taken: bool,
    fault: Option<String>,
    message: Option<String>,
    fix: Option<String>,
    since: Option<String>,
}

#[derive(Serialize)]
struct Binding {
    agent: String,
    tool: String,
    key: String,
    env: Option<String>,
    required: bool,
}

/// All of them, page by page.
pub(in crate::cmd) async fn all(session: &Session<'_>) -> Result<Vec<Ref>, Failure> {
    listed(session, String::new()).await
}

/// One of them.
pub(in crate::cmd) async fn one(session: &Session<'_>, name: &str) -> Result<Option<Ref>, Failure> {
    Ok(listed(session, name.to_owned()).await?.into_iter().next())
}

async fn listed(session: &Session<'_>, name: String) -> Result<Vec<Ref>, Failure> {
    let client = session.references().await?;
    let (mut refs, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListReferencesRequest {
            environment: session.environment(),
            page_size: 1_000,
            page_token,
            name: name.clone(),
        };
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_references(request).await }
        })
        .await?;
        refs.extend(answer.references.into_iter().map(Ref::of));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(refs);
        }
    }
}

impl Ref {
    fn of(one: v1::Reference) -> Self {
        let moment = |at: Option<&prost_types::Timestamp>| at.map(|at| time::moment(Some(at)));
        let binding = |it: v1::ReferenceBinding| Binding {
            agent: it.agent,
            tool: it.tool,
            key: it.key,
            env: present(it.env_var),
            required: it.required,
        };
        Self {
            valid_until: moment(one.expire_time.as_ref()),
            deprecation_date: moment(one.deprecation_time.as_ref()),
            last_access: moment(one.last_access_time.as_ref()),
            name: one.name,
            environment: one.environment,
            source: present(one.source),
            secret: present(one.secret),
            version: one.version,
            reason: present(one.reason),
            fix: present(one.fix),
            sources: one.sources.into_iter().map(Source::of).collect(),
            bindings: one.bindings.into_iter().map(binding).collect(),
        }
    }

    /// As people read it.
    pub(in crate::cmd) fn lines(&self) -> Vec<String> {
        let Self { name, source, reason, .. } = self;
        let until = match &self.valid_until {
            Some(until) => format!("valid until {until}"),
            None => "no expiry".to_owned(),
        };
        let access = match &self.last_access {
            Some(at) => format!("last access {at}"),
            None => "never accessed".to_owned(),
        };
        let first = match (source, reason) {
            (_, Some(reason)) => format!("❌ {name}: unresolved ({reason})"),
            (Some(source), None) => {
                format!("✅ {name}: {source} {}, {until}, {access}", version(self.version))
            }
            (None, None) => format!("⚠️ {name}: unknown"),
        };
        let mut lines = vec![first];
        lines.extend(self.sources.iter().map(|source| format!("   {}", source.line())));
        lines.extend(self.bindings.iter().map(|binding| {
            let required = if binding.required { "required" } else { "optional" };
            let env = binding.env.as_ref().map(|env| format!(" as {env}")).unwrap_or_default();
            format!(
                "   bound by {} {}.{}{env}, {required}",
                binding.agent, binding.tool, binding.key
            )
        }));
        lines
    }
}

impl Source {
    /// Of the wire.
    pub(in crate::cmd) fn of(source: v1::SourceStatus) -> Self {
        let fault = source.fault.unwrap_or_default();
        Self {
            provider: source.provider,
            reference: source.secret_ref,
            kind: source.r#type,
            target: present(source.target),
            path: present(source.path),
            secret: source.secret,
            version: source.version,
            source_version: present(source.source_version),
            taken: source.taken,
            since: source.since_time.as_ref().map(|at| time::moment(Some(at))),
            fault: present(fault.fault),
            message: present(fault.message),
            fix: present(fault.fix),
        }
    }

    /// As people read it under a provider.
    pub(in crate::cmd) fn of_ref(&self) -> String {
        format!("{} {}", self.reference, self.line())
    }

    /// As people read it under a ref.
    pub(in crate::cmd) fn line(&self) -> String {
        let taken = if self.taken { "→" } else { "·" };
        let place = match (&self.path, &self.target) {
            (Some(path), Some(target)) => format!(" {path} {target}"),
            (Some(one), None) | (None, Some(one)) => format!(" {one}"),
            (None, None) => String::new(),
        };
        let state = match (&self.fault, &self.message) {
            (Some(fault), message) => {
                let since =
                    self.since.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
                let message = message.as_deref().unwrap_or_default();
                format!("{fault}{since}: it {message}")
            }
            (None, _) if self.version > 0 => {
                let theirs = self.source_version.as_ref();
                let theirs = theirs.map(|it| format!(" (its {it})")).unwrap_or_default();
                format!("{} {}{theirs}", self.secret, version(self.version))
            }
            (None, _) => "nothing yet".to_owned(),
        };
        format!("{taken} {}{place}: {state}", self.provider)
    }
}
