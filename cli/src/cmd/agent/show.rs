//! `secretref agent show`.

use crate::{
    cmd::{agent_name, incomplete},
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::{json, plain, time},
};
use secretref_proto::v1;

/// Show one agent, its bindings and instances.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref agent show payment-analyst --json")]
pub(crate) struct Show {
    /// Name of the agent
    agent: String,
}

impl Show {
    /// Prints the agent as its manifest describes it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = agent_name(&self.agent)?;
        let request = v1::GetAgentRequest { name, environment: session.environment() };
        let mut client = session.agents().await?;
        let answer = ask(client.get_agent(request)).await?;
        let agent = answer.agent.ok_or_else(|| incomplete("agent"))?;
        if session.out.json {
            session.out.json(&json::Agent::from(agent))?;
            return Ok(Exit::Done);
        }
        lines(&agent).iter().try_for_each(|line| session.out.line(&plain(line)))?;
        Ok(Exit::Done)
    }
}

fn lines(agent: &v1::Agent) -> Vec<String> {
    let fields = [
        ("agent", agent.name.clone()),
        ("environment", agent.environment.clone()),
        ("state", json::agent_state(agent.state()).to_owned()),
        ("name", agent.display_name.clone()),
        ("description", agent.description.clone()),
        ("runtime", agent.runtime.clone()),
        ("groups", agent.groups.join(", ")),
        ("capabilities", agent.capabilities.join(", ")),
        ("created", time::moment(agent.create_time.as_ref())),
        ("updated", time::moment(agent.update_time.as_ref())),
        ("quarantined", time::moment(agent.quarantine_time.as_ref())),
        ("uid", agent.uid.clone()),
    ];
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    let mut lines: Vec<String> = shown.map(|(key, value)| format!("{key:<16} {value}")).collect();
    for binding in &agent.bindings {
        let v1::Binding { tool, key, secret_ref, file, env_var, required, group } = binding;
        let env = if env_var.is_empty() { String::new() } else { format!(", env {env_var}") };
        let need = if *required { "required" } else { "optional" };
        let from = if group.is_empty() { String::new() } else { format!(", group {group}") };
        lines.push(format!(
            "{:<16} {tool}.{key} <- {secret_ref} (file {file}{env}, {need}{from})",
            "binding"
        ));
    }
    for instance in &agent.instances {
        let link = if instance.connected { "connected" } else { "not connected" };
        let until = time::moment(instance.certificate_expire_time.as_ref());
        let uid = &instance.uid;
        lines.push(format!("{:<16} {uid} ({link}, certificate until {until})", "instance"));
    }
    lines
}
