//! Where most stories begin: a broker, an administrator, the article's payment analyst.

use anyhow::{Context, Result};
use secretref_proto::v1::{AgentStatus, InstanceRefStatus, RefState, RefStatus};
use secretref_testkit::{admin::Admin, agent::Agent, broker::Broker, engine::Engine, wait};

/// The article's agent, with its refs in the store.
pub(crate) const PAYMENT_ANALYST: &str = r##"{
  "agents": {
    "payment-analyst": {
      "name": "支付分析 Agent",
      "runtime": "subagent",
      "capabilities": ["stripe-payment", "slack-notifier", "data-processing"],
      "auth-profiles": {
        "stripe-payment": {"required": true, "on-failure": "deny-and-alert"},
        "slack-notifier": {"required": true, "on-failure": "deny-and-log"}
      },
      "tool-bindings": {
        "stripe-payment": {
          "required": true,
          "credentials": {"apiKey": {"secretRef": "stripe-api-key", "envVar": "STRIPE_API_KEY"}}
        },
        "slack-notifier": {
          "required": true,
          "credentials": {"botToken": {"secretRef": "slack-bot-token", "envVar": "SLACK_BOT_TOKEN"}}
        }
      }
    }
  },
  "openclaw": {"gateway": {"secrets": {"refMap": {
    "stripe-api-key": {"provider": "store", "required": true},
    "slack-bot-token": {"provider": "store", "required": true}
  }}}}
}"##;

pub(crate) const AGENT: &str = "payment-analyst";
pub(crate) const STRIPE: &str = "stripe-api-key";
pub(crate) const STRIPE_FILE: &str = "STRIPE_API_KEY";
pub(crate) const SLACK: &str = "slack-bot-token";
pub(crate) const SLACK_FILE: &str = "SLACK_BOT_TOKEN";

/// A broker with the payment analyst and a first version of both its secrets.
pub(crate) struct Scene {
    pub(crate) broker: Broker,
    pub(crate) admin: Admin,
}

impl Scene {
    pub(crate) async fn set(engine: Engine) -> Result<Self> {
        Self::set_on(Broker::start(engine).await?).await
    }

    pub(crate) async fn set_on(broker: Broker) -> Result<Self> {
        let admin = broker.admin().await?;
        admin.apply(PAYMENT_ANALYST).await?;
        admin.put(STRIPE, b"stripe-1").await?;
        admin.put(SLACK, b"slack-1").await?;
        Ok(Self { broker, admin })
    }

    /// The agents' listener.
    pub(crate) fn agents(&self) -> String {
        self.broker.listening().agents.to_string()
    }

    /// A host with a running sidecar that has the first versions.
    pub(crate) async fn agent(&self) -> Result<Agent> {
        let agent = Agent::enrolled(&self.broker, &self.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        agent.file_becomes(SLACK_FILE, b"slack-1").await?;
        Ok(agent)
    }

    /// Waits until the broker believes every instance to be on this version of a ref.
    pub(crate) async fn applied(&self, secret: &str, version: i64) -> Result<RefStatus> {
        wait::eventually(&format!("{secret} is applied in version {version}"), async || {
            let status = ref_of(&self.admin.status(AGENT).await?, secret)?;
            let done = status.state() == RefState::Injected && status.applied_version == version;
            Ok(done.then_some(status))
        })
        .await
    }
}

/// What a status says of one ref.
pub(crate) fn ref_of(status: &AgentStatus, secret: &str) -> Result<RefStatus> {
    let found = status.refs.iter().find(|found| found.secret_ref == secret);
    found.cloned().with_context(|| format!("the status says nothing of {secret}"))
}

/// What the only instance said of a ref.
pub(crate) fn only_instance(status: &RefStatus) -> Result<&InstanceRefStatus> {
    anyhow::ensure!(status.instances.len() == 1, "not one instance: {:?}", status.instances);
    Ok(&status.instances[0])
}

/// A manifest of one agent, each of its tools bound to one secret of the same name.
pub(crate) fn manifest(agent: &str, secrets: &[&str]) -> String {
    let bindings: Vec<String> = secrets
        .iter()
        .map(|secret| {
            format!(
                r#""{secret}": {{"credentials": {{"key": {{"secretRef": "{secret}",
                   "file": "{secret}"}}}}}}"#
            )
        })
        .collect();
    let refs: Vec<String> =
        secrets.iter().map(|secret| format!(r#""{secret}": {{"provider": "store"}}"#)).collect();
    format!(
        r#"{{"agents": {{"{agent}": {{"tool-bindings": {{{}}}}}}}, "refMap": {{{}}}}}"#,
        bindings.join(", "),
        refs.join(", ")
    )
}
