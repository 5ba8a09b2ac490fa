//! Many hosts for real: each has its own address, and links are cut in either direction, while
//! brokers are killed and come back. Every sidecar says what it has, and its files are looked at:
//! nothing is missed, nothing goes back, and nobody has what is another's or was taken from it.

use crate::{
    scene::manifest,
    soak::{count, figure},
};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use secretref_domain::version::Version;
use secretref_sidecar::status::Status;
use secretref_testkit::{
    admin::Admin,
    broker::Broker,
    engine::Engine,
    fleet::{Member, raise_descriptor_limit},
    network::{Cut, Network},
    sql::Sql,
};
use std::{
    collections::BTreeMap,
    env, fs,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::task::LocalPoolHandle;

const HOSTS: u8 = 10;
const AGENTS: [&str; 4] = ["north", "east", "south", "west"];
/// What each agent has besides a secret of its own name.
const SHARED: &str = "shared";
/// Longer than it takes to notice a dead link and to go to another broker.
const WHOLE_MAX: Duration = Duration::from_secs(120);

/// Versions that a sidecar ever said it has, checked as it says so.
struct Witness {
    task: JoinHandle<Result<()>>,
}

impl Witness {
    /// Watches a sidecar: it has nothing of another agent, and goes back to no older version.
    fn of(agent: &'static str, mut status: watch::Receiver<Status>) -> Self {
        let task = tokio::spawn(async move {
            let mut had: BTreeMap<String, Version> = BTreeMap::new();
            while status.changed().await.is_ok() {
                let applied = status.borrow_and_update().applied.clone();
                for (name, version) in applied {
                    let name = name.to_string();
                    ensure!(name == agent || name == SHARED, "{agent} has {name}");
                    let before = had.insert(name.clone(), version);
                    let back = before.is_some_and(|before| before > version);
                    ensure!(!back, "{agent}: {name} went from {before:?} back to {version}");
                }
            }
            Ok(())
        });
        Self { task }
    }
}

/// The fleet: sidecars on hosts, each of which knows all brokers.
struct Fleet {
    network: Network,
    brokers: Vec<Broker>,
    admin: Admin,
    members: Vec<(u8, &'static str, Member)>,
    witnesses: Vec<Witness>,
    _threads: Vec<LocalPoolHandle>,
    /// The newest version of each secret, as its broker acknowledged it.
    newest: BTreeMap<String, Version>,
    cuts: BTreeMap<u8, Cut>,
}

impl Fleet {
    async fn set(network: Network, members: usize) -> Result<Self> {
        raise_descriptor_limit()?;
        let mut first = Broker::start(Engine::Postgres).await?;
        first.stop()?;
        first.listen_at(network.here().into());
        first.serve()?;
        let mut brokers = vec![first];
        for _ in 1..3 {
            let mut other = brokers[0].another()?;
            other.listen_at(network.here().into());
            other.serve()?;
            brokers.push(other);
        }
        let admin = brokers[0].admin().await?;
        let mut fleet = Self {
            network,
            brokers,
            admin,
            members: Vec::new(),
            witnesses: Vec::new(),
            _threads: Vec::new(),
            newest: BTreeMap::new(),
            cuts: BTreeMap::new(),
        };
        for agent in AGENTS {
            fleet.admin.apply(&manifest(agent, &[agent, SHARED])).await?;
            fleet.put(agent).await?;
        }
        fleet.put(SHARED).await?;
        let addresses: Vec<_> =
            fleet.brokers.iter().map(|broker| broker.listening().agents.to_string()).collect();
        for host in 0..HOSTS {
            let thread = fleet.network.thread_on(host).await?;
            for number in 0..members / usize::from(HOSTS) {
                let agent = AGENTS[number % AGENTS.len()];
                let token = fleet.admin.token(agent).await?;
                let member = Member::start(&addresses.join(","), &token, &thread)?;
                fleet.witnesses.push(Witness::of(agent, member.status()));
                fleet.members.push((host, agent, member));
            }
            fleet._threads.push(thread);
        }
        for (_, _, member) in &mut fleet.members {
            member.until("its first whole set", Status::is_ready).await?;
        }
        Ok(fleet)
    }

    async fn put(&mut self, secret: &str) -> Result<()> {
        let number = self.newest.get(secret).map_or(1, |version| version.get() + 1);
        let version =
            self.admin.put_version(secret, format!("{secret}-{number}").as_bytes()).await?;
        let version = Version::new(version).context("a version")?;
        self.newest.insert(secret.to_owned(), version);
        Ok(())
    }

    /// Waits until all whose hosts are connected have the newest of everything.
    async fn reached(&mut self) -> Result<()> {
        for (host, agent, member) in &mut self.members {
            if self.cuts.contains_key(host) {
                continue;
            }
            for secret in [*agent, SHARED] {
                let newest = self.newest[secret];
                let has = |status: &Status| status.applied.get(secret) == Some(&newest);
                let mut status = member.status();
                let reached = timeout(WHOLE_MAX, status.wait_for(has)).await;
                reached
                    .with_context(|| format!("{agent} on host {host}: no {secret} {newest}"))??;
                let held = fs::read_to_string(member.secrets().join(secret))?;
                ensure!(held == format!("{secret}-{}", newest.get()), "{agent} holds {held:?}");
            }
        }
        Ok(())
    }

    fn cut(&mut self, host: u8, cut: Cut) -> Result<()> {
        self.network.cut(host, cut)?;
        self.cuts.insert(host, cut);
        Ok(())
    }

    fn heal(&mut self, host: u8) -> Result<()> {
        match self.cuts.remove(&host) {
            Some(cut) => self.network.heal(host, cut),
            None => Ok(()),
        }
    }

    /// Cuts off whoever listens at the database: what is said at that moment is heard by nobody.
    async fn deafen(&mut self) -> Result<()> {
        let mut sql = Sql::connect(&self.brokers[0].database_url()).await?;
        sql.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await?;
        Ok(())
    }

    /// Kills a broker, or the one that comes after it where the administrator is at it.
    fn kill(&mut self, random: &mut Rng) -> Result<()> {
        let broker = &mut self.brokers[random.usize(1..3)];
        broker.kill9()?;
        broker.serve()
    }
}

/// Random cuts and deaths; the seed of a run is printed, and `SECRETREF_SEED` repeats it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_a_version_however_links_are_cut() -> Result<()> {
    let Some(network) = Network::of(HOSTS)? else { return Ok(()) };
    let seed = env::var("SECRETREF_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    figure("partitions", &format!("seed {seed}"));
    let mut random = Rng::with_seed(seed);
    let (rounds, members) = (count(50, 1000), 200);
    let mut fleet = Fleet::set(network, members).await?;
    let (mut cuts, mut kills, began) = (0, 0, Instant::now());
    while cuts < rounds {
        let host = random.u8(0..HOSTS);
        if fleet.cuts.contains_key(&host) {
            fleet.heal(host)?;
        } else if fleet.cuts.len() < 3 {
            let cut = [Cut::Both, Cut::Outbound, Cut::Inbound][random.usize(0..3)];
            fleet.cut(host, cut)?;
            cuts += 1;
        }
        if random.u32(0..25) == 0 {
            fleet.kill(&mut random)?;
            kills += 1;
        }
        let deaf = random.u32(0..5) == 0;
        if deaf {
            fleet.deafen().await?;
        }
        let secret = if random.bool() { SHARED } else { AGENTS[random.usize(0..4)] };
        fleet.put(secret).await?;
        // Some rounds follow one another at once.
        if deaf || random.u32(0..3) == 0 {
            fleet.reached().await?;
        }
    }
    for host in 0..HOSTS {
        fleet.heal(host)?;
    }
    fleet.reached().await?;
    // One of the agents is shut out: nothing reaches it from here on, on whatever host.
    fleet.admin.revoke("west").await?;
    for (_, agent, member) in &mut fleet.members {
        if *agent == "west" {
            member.until("it is told that it is revoked", |status| status.revoked).await?;
            let left = fs::read(member.secrets().join(SHARED));
            ensure!(left.is_err(), "a revoked agent holds {left:?}");
        }
    }
    let streams: u64 = fleet.members.iter().map(|(_, _, it)| it.status().borrow().streams).sum();
    for (_, _, member) in fleet.members.drain(..) {
        member.stop().await?;
    }
    for witness in fleet.witnesses.drain(..) {
        witness.task.await??;
    }
    let text = format!(
        "seed {seed}: {cuts} cuts, {kills} deaths of a broker, {members} sidecars on {HOSTS} \
         hosts, {streams} streams, {} puts, {:.0?}",
        fleet.newest.values().map(|version| version.get()).sum::<i64>(),
        began.elapsed()
    );
    figure("partitions", &text);
    Ok(())
}
