//! The story, step by step. Every figure and every line is what the processes said.

use super::{
    agent::{Said, TagKey},
    process::Process,
    stage::Stage,
};
use crate::{
    cmd::{apply, audit, incomplete, request_id},
    connect::{self, ask, pages},
    failure::{Exit, Failure},
    print::{Printer, counted, status, time},
};
use secretref_proto::v1::{
    self, RefState, agents_service_client::AgentsServiceClient,
    audit_service_client::AuditServiceClient, secrets_service_client::SecretsServiceClient,
};
use std::{
    ffi::OsString,
    time::{Duration, Instant},
};
use tonic::transport::Channel;

/// Tells the story on a stage; with `keep` up to where the agent is still alive.
pub(super) async fn tell(stage: &mut Stage, out: Printer, keep: bool) -> Result<(), Failure> {
    out.line(&out.strong("SecretRef demo: real processes, real mutual TLS, nothing simulated"))?;
    let mut teller = Teller { stage, out, keep, step: 0, key: request_id() };
    let (agents_at, admin_at) = teller.start_broker().await?;
    let broker = Broker::new(teller.stage.channel(&admin_at).await?);
    teller.put_both(&broker).await?;
    teller.apply(&broker).await?;
    teller.start_sidecar(&broker, &agents_at).await?;
    teller.start_agent().await?;
    teller.rotate(&broker).await?;
    teller.show_status(&broker).await?;
    teller.show_audit(&broker).await?;
    if keep {
        return teller.say_how_to_go_on(&admin_at);
    }
    teller.revoke(&broker).await
}

struct Teller<'a> {
    stage: &'a mut Stage,
    out: Printer,
    keep: bool,
    step: u32,
    key: String,
}

struct Broker {
    secrets: SecretsServiceClient<Channel>,
    agents: AgentsServiceClient<Channel>,
    audit: AuditServiceClient<Channel>,
}

impl Broker {
    fn new(channel: Channel) -> Self {
        Self {
            secrets: SecretsServiceClient::new(channel.clone()),
            agents: connect::agents(channel.clone()),
            audit: connect::audit(channel),
        }
    }

    async fn put(&self, name: &str, value: &str) -> Result<v1::SecretVersion, Failure> {
        let request = v1::PutSecretRequest {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
            request_id: request_id(),
            ..v1::PutSecretRequest::default()
        };
        let answer = ask(self.secrets.clone().put_secret(request)).await?;
        answer.version.ok_or_else(|| incomplete("version"))
    }

    async fn status(&self) -> Result<v1::AgentStatus, Failure> {
        let request = v1::ListAgentStatusesRequest {
            agent: AGENT.to_owned(),
            ..v1::ListAgentStatusesRequest::default()
        };
        let answer = ask(self.agents.clone().list_agent_statuses(request)).await?;
        answer.statuses.into_iter().next().ok_or_else(|| incomplete("status of the agent"))
    }

    async fn status_when(
        &self,
        what: &str,
        wanted: impl Fn(&v1::AgentStatus) -> bool,
    ) -> Result<v1::AgentStatus, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.status().await?;
            if wanted(&found) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let what = format!("the broker's status does not show {what}");
                return Err(Failure::new(Exit::Refused, what, "see the processes' last lines"));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn trail(&self) -> Result<Vec<v1::AuditEntry>, Failure> {
        pages(|page_token| {
            let mut client = self.audit.clone();
            let page_size = PAGE_SIZE;
            let request = v1::ListAuditEntriesRequest {
                page_size,
                page_token,
                ..v1::ListAuditEntriesRequest::default()
            };
            async move {
                let answer = ask(client.list_audit_entries(request)).await?;
                Ok((answer.entries, answer.next_page_token))
            }
        })
        .await
    }
}

impl Teller<'_> {
    fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.step += 1;
        self.out.line("")?;
        self.out.line(&self.out.strong(&format!("{}. {title}", self.step)))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.out.line(&format!("   {text}"))
    }

    async fn start_broker(&mut self) -> Result<(String, String), Failure> {
        self.step("A broker on SQLite, with a certificate authority of its own")?;
        let data = self.stage.path("broker").into_os_string();
        let mut arguments: Vec<OsString> = vec!["init".into(), "--data-dir".into(), data.clone()];
        for listener in ["--agent-listen", "--admin-listen", "--health-listen", "--metrics-listen"]
        {
            arguments.extend([listener.into(), "127.0.0.1:0".into()]);
        }
        let start = self.stage.start("init", &self.stage.broker, self.keep, "");
        let mut init = start.spawn(&arguments).await?;
        let done = init.success().await;
        if let Err(failure) = done {
            self.stage.add(init);
            return Err(failure);
        }
        let arguments: [OsString; 3] = ["serve".into(), "--data-dir".into(), data];
        let start = self.stage.start("broker", &self.stage.broker, self.keep, "");
        let broker = start.spawn(&arguments).await?;
        self.stage.add(broker);
        let broker = self.stage.newest()?;
        let agents = broker.line("where agents come in", |line| after(line, "agents")).await?;
        let admin = broker.line("where admins come in", |line| after(line, "admin")).await?;
        broker.line("that it is ready", |line| (line == "ready").then_some(())).await?;
        self.say(&format!("sidecars come in at {agents}, administrators at {admin}"))?;
        self.say(&format!("its data: {}", self.stage.path("broker").display()))?;
        Ok((agents, admin))
    }

    async fn put_both(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step("Two secrets are put into its store")?;
        for name in [STRIPE.secret, SLACK.secret] {
            let put = broker.put(name, &fresh(name)).await?;
            self.say(&format!("secretref put {name}   v{}", put.version))?;
        }
        Ok(())
    }

    async fn apply(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step("The manifest of payment-analyst: which tool gets which secret, never a value")?;
        let files = [("payment-analyst.json", MANIFEST), ("on-store.json", ON_STORE)];
        let mut sent = Vec::new();
        for (name, content) in files {
            let path = self.stage.path(name);
            std::fs::write(&path, content).map_err(|error| unwritable(&path, &error))?;
            sent.push(v1::ManifestFile { name: name.to_owned(), content: content.into() });
        }
        let request = v1::ApplyManifestRequest {
            files: sent,
            strict: true,
            request_id: request_id(),
            ..v1::ApplyManifestRequest::default()
        };
        let answer = ask(broker.agents.clone().apply_manifest(request)).await?;
        apply::lines(&answer, false).iter().try_for_each(|line| self.say(line))
    }

    async fn start_sidecar(&mut self, broker: &Broker, address: &str) -> Result<(), Failure> {
        self.step("Its sidecar trades a join token for a certificate of its own")?;
        let request = v1::CreateJoinTokenRequest {
            agent: AGENT.to_owned(),
            ..v1::CreateJoinTokenRequest::default()
        };
        let token = ask(broker.agents.clone().create_join_token(request)).await?.token;
        let secrets = self.stage.secrets();
        make_private(&secrets)?;
        let mut arguments: Vec<OsString> =
            ["run", "--broker", address, "--token-file", "-", "--agent", AGENT, "--state-dir"]
                .map(OsString::from)
                .to_vec();
        arguments.push(self.stage.path("sidecar").into());
        arguments.extend(["--secrets-dir".into(), secrets.clone().into_os_string()]);
        let in_memory = self.stage.is_in_memory();
        if !in_memory {
            arguments.push("--allow-disk".into());
        }
        let start = self.stage.start("sidecar", &self.stage.sidecar, self.keep, &token);
        let sidecar = start.spawn(&arguments).await?;
        self.stage.add(sidecar);
        let what = "a connected sidecar";
        let is_there = |found: &v1::AgentStatus| found.instances.iter().any(|one| one.connected);
        let found = broker.status_when(what, is_there).await?;
        let instance = found.instances.iter().find(|one| one.connected);
        let instance = instance.ok_or_else(|| incomplete("connected instance"))?;
        let until = time::moment(instance.certificate_expire_time.as_ref());
        self.say(&format!("instance {}, certificate until {until}", instance.uid))?;
        self.say("it is connected: one gRPC stream over mutual TLS")?;
        let kind = if in_memory { "in memory" } else { "on disk, for want of a tmpfs" };
        self.say(&format!("it keeps the agent's files {kind}: {}", secrets.display()))
    }

    async fn start_agent(&mut self) -> Result<(), Failure> {
        self.step("The agent starts and uses its credentials")?;
        let arguments: [OsString; 5] = [
            "demo".into(),
            "agent".into(),
            self.stage.secrets().into(),
            STRIPE.file.into(),
            SLACK.file.into(),
        ];
        let input = format!("{}\n", self.key);
        let start = self.stage.start("agent", &self.stage.program, self.keep, &input);
        let agent = start.spawn(&arguments).await?;
        self.stage.add(agent);
        for said in said_of_both(self.stage.newest()?, |said| said.tag.is_some()).await? {
            self.say(&format!("{} uses {}", clock(said.at_us), said.file))?;
        }
        Ok(())
    }

    async fn rotate(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step("The Stripe key is rotated while the agent runs")?;
        let mut times = Vec::with_capacity(ROTATIONS);
        for at in 0..ROTATIONS {
            let (version, committed, used) = self.rotate_once(broker).await?;
            times.push(used - committed);
            if at == 0 {
                self.say(&format!(
                    "{} v{version}: the broker starts to commit it",
                    clock(committed)
                ))?;
                self.say(&format!("{} v{version}: the agent uses it", clock(used)))?;
            }
        }
        times.sort_unstable();
        let (median, max) = (times[ROTATIONS / 2], times[ROTATIONS - 1]);
        self.say(&format!(
            "from commit to use, {ROTATIONS} rotations: median {}, longest {}",
            millis(median),
            millis(max)
        ))?;
        // A version's time is taken before its transaction, so the figure is never too small.
        self.say("counted from the start of the commit to the agent's own timestamp")
    }

    async fn rotate_once(&mut self, broker: &Broker) -> Result<(i64, i64, i64), Failure> {
        let value = fresh(STRIPE.secret);
        let tag = TagKey::new(&self.key).tag(STRIPE.file, value.as_bytes());
        let put = broker.put(STRIPE.secret, &value).await?;
        let committed = put.create_time.as_ref().ok_or_else(|| incomplete("time"))?;
        let agent = self.stage.newest()?;
        let said = said(agent, STRIPE.file, |said| said.tag.as_ref() == Some(&tag)).await?;
        Ok((put.version, time::micros(committed), said.at_us))
    }

    async fn show_status(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step(
            "What the broker knows of it: secretref status --agent payment-analyst --secrets",
        )?;
        let is_done = |found: &v1::AgentStatus| {
            found.refs.iter().all(|one| one.state() == RefState::Injected)
        };
        let found = broker.status_when("that all is applied", is_done).await?;
        let now = time::now();
        for one in &found.refs {
            status::lines(one, &now).iter().try_for_each(|line| self.say(line))?;
        }
        let Some(stripe) = found.refs.iter().find(|one| one.secret_ref == STRIPE.secret) else {
            return Err(incomplete("status of stripe-api-key"));
        };
        let has =
            |one: &&v1::InstanceRefStatus| one.version == stripe.version && one.state == "APPLIED";
        let applied: Vec<_> = stripe.instances.iter().filter(has).collect();
        let evidence = applied.first().map(|one| one.evidence.as_str()).unwrap_or_default();
        self.say(&format!(
            "{} v{}: applied by {} of {} instances (evidence: {evidence})",
            STRIPE.secret,
            stripe.version,
            applied.len(),
            stripe.instances.len()
        ))
    }

    async fn show_audit(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step("The audit trail: its newest entries, and every hash computed again")?;
        let trail = broker.trail().await?;
        let last = &trail[trail.len().saturating_sub(LAST_ENTRIES)..];
        for entry in last {
            self.say(&audit::line(entry))?;
        }
        let verified = audit::verify::shown_by(broker.audit.clone()).await?;
        self.say(&format!(
            "{} entries, {}: every hash was computed again and fits",
            verified.entries(),
            counted(verified.lanes(), "lane")
        ))
    }

    async fn revoke(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.step("The agent is revoked: its stream is cut, and what it held is taken away")?;
        let request = v1::RevokeAgentRequest {
            name: AGENT.to_owned(),
            reason: "end of the demo".to_owned(),
            request_id: request_id(),
            ..v1::RevokeAgentRequest::default()
        };
        let asked = time::micros(&time::now());
        let answer = ask(broker.agents.clone().revoke_agent(request)).await?;
        let cut = answer.cut_streams;
        let answered = millis(time::micros(&time::now()) - asked);
        self.say(&format!("streams cut: {cut}; the broker answered after {answered}"))?;
        for said in said_of_both(self.stage.newest()?, |said| said.tag.is_none()).await? {
            let gone = millis(said.at_us - asked);
            self.say(&format!("the agent has no {} any more, {gone} after the order", said.file))?;
        }
        let is_gone = |found: &v1::AgentStatus| found.instances.iter().all(|one| !one.connected);
        broker.status_when("that the sidecar is cut off", is_gone).await?;
        self.say("the broker holds no stream of it")
    }

    fn say_how_to_go_on(&mut self, address: &str) -> Result<(), Failure> {
        self.step("Left running, for you to try")?;
        let profile = self.stage.profile(address);
        let [ca, cert, key] = [&profile.ca, &profile.cert, &profile.key].map(|path| path.display());
        let calls = format!("grpcurl -cacert {ca} -cert {cert} -key {key}");
        let status = "secretref.v1.AgentsService/ListAgentStatuses";
        let ids: Vec<String> = self.stage.ids().iter().map(u32::to_string).collect();
        let (folder, files) = (self.stage.folder().display(), self.stage.secrets());
        let memory = files.parent().unwrap_or(&files).display();
        let lines = [
            format!("export SECRETREF_ADDR={address} SECRETREF_CA={ca}"),
            format!("export SECRETREF_CERT={cert} SECRETREF_KEY={key}"),
            "secretref status --agent payment-analyst --secrets".to_owned(),
            "printf %s new-value | secretref put stripe-api-key".to_owned(),
            "secretref agent revoke payment-analyst".to_owned(),
            format!("{calls} {address} list"),
            format!("{calls} -d '{{\"agent\": \"{AGENT}\"}}' {address} {status}"),
            format!("ls -l {}", files.display()),
            format!("kill {}; rm -r {folder} {memory}      # the end", ids.join(" ")),
        ];
        lines.iter().try_for_each(|line| self.say(line))
    }
}

/// Waits until the agent says something of a file.
async fn said(
    agent: &mut Process,
    file: &str,
    wanted: impl Fn(&Said) -> bool,
) -> Result<Said, Failure> {
    let what = format!("what became of {file}");
    let heard = |line: &str| {
        let said: Said = serde_json::from_str(line).ok()?;
        (said.file == file && wanted(&said)).then_some(said)
    };
    agent.line(&what, heard).await
}

/// Waits until the agent said something of both files, in whichever order.
async fn said_of_both(
    agent: &mut Process,
    wanted: impl Fn(&Said) -> bool,
) -> Result<Vec<Said>, Failure> {
    let mut heard: Vec<Said> = Vec::new();
    while heard.len() < 2 {
        let next = agent.line("what became of its files", |line| {
            let said: Said = serde_json::from_str(line).ok()?;
            let is_new = heard.iter().all(|before| before.file != said.file);
            (is_new && wanted(&said)).then_some(said)
        });
        let next = next.await?;
        heard.push(next);
    }
    Ok(heard)
}

/// The address in a line such as `listening agents 127.0.0.1:7443`.
fn after(line: &str, listener: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("listening {listener} "))?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// A value that looks like the real thing and is worth nothing.
fn fresh(name: &str) -> String {
    let kind = if name == STRIPE.secret { "sk_demo" } else { "xoxb-demo" };
    format!("{kind}_{}", uuid::Uuid::new_v4().simple())
}

/// Time of day to the microsecond, UTC.
fn clock(micros: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(micros);
    at.map(|at| at.strftime("%H:%M:%S%.6f").to_string()).unwrap_or_default()
}

fn millis(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

fn make_private(folder: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let what = format!("{} cannot be written: {error}", path.display());
    Failure::usage(what, "export TMPDIR=FOLDER that can be written")
}

/// A secret and the file that it becomes.
struct Credential {
    secret: &'static str,
    file: &'static str,
}

const AGENT: &str = "payment-analyst";
const STRIPE: Credential = Credential { secret: "stripe-api-key", file: "STRIPE_API_KEY" };
const SLACK: Credential = Credential { secret: "slack-bot-token", file: "SLACK_BOT_TOKEN" };

/// The manifest as it was published.
const MANIFEST: &str = include_str!("payment-analyst.json");
/// What completes it: its refs come from the broker's own store.
const ON_STORE: &str = include_str!("on-store.json");

const ROTATIONS: usize = 20;
const LAST_ENTRIES: usize = 6;
const PAGE_SIZE: i32 = 200;
const PATIENCE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(10);
