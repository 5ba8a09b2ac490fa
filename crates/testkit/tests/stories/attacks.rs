//! The broker under attack (B1 to B5): its memory stays bounded, and the others are served on.
//!
//! What an attack may cost is asserted where it is no timing: memory, errors of others, a broker
//! that lives. How long others waited is printed beside what they wait without it.
//! Attackers share the machine with whom they attack, but not his share of the processors.

mod connections;
mod frames;
mod noise;
mod oversize;
mod silence;
mod victim;

use crate::{scene::manifest, soak};
use anyhow::{Context, Result, ensure};
use rustix::process::setpriority_process;
use secretref_broker::config::Limits;
use secretref_identity::{
    client::ClientConfig, clock::Clock, credentials::Credentials, join_token::JoinToken,
};
use secretref_testkit::{
    admin::Admin, broker::Broker, engine::Engine, memory, peer, wait::eventually,
};
use std::{path::PathBuf, sync::LazyLock};
use tokio::runtime::{Builder, Handle, Runtime};
use victim::Victim;

/// A broker with an agent that is attacked through, and one that only wants to be served.
struct Siege {
    broker: Broker,
    admin: Admin,
    victim: Victim,
}

/// What was measured before an attack.
struct Before {
    resident_bytes: u64,
    usual_p99_ms: f64,
}

impl Siege {
    /// With the limits that a broker has by itself.
    async fn laid() -> Result<Self> {
        Self::laid_within(Limits { drain_seconds: 0, ..Limits::default() }).await
    }

    async fn laid_within(limits: Limits) -> Result<Self> {
        let broker = Broker::start_within(Engine::Sqlite, limits).await?;
        let admin = broker.admin().await?;
        admin.apply(&manifest(ATTACKER, &[BAIT])).await?;
        admin.put(BAIT, b"bait").await?;
        let victim = Victim::enrolled(&broker, &admin).await?;
        Ok(Self { broker, admin, victim })
    }

    fn address(&self) -> String {
        self.broker.listening().agents.to_string()
    }

    /// An identity to attack with.
    async fn attacker(&self) -> Result<Credentials> {
        let token = self.admin.token(ATTACKER).await?;
        peer::enrolled(&self.address(), &token).await
    }

    /// How a stranger connects: he believes whoever a token points to.
    async fn stranger(&self) -> Result<ClientConfig> {
        let token = JoinToken::parse(&self.admin.token(ATTACKER).await?)?;
        Ok(ClientConfig::pinned(token.fingerprint(), Clock::system())?)
    }

    /// Where an administrator connects, and the folder of his certificate: an attack opens a
    /// connection of its own, whose work is the attacker's.
    fn admin_door(&self) -> (String, PathBuf) {
        (self.broker.listening().admin.to_string(), self.broker.data().join("admin"))
    }

    fn pid(&self) -> Result<u32> {
        Ok(self.broker.process().context("the broker does not run")?.pid())
    }

    /// Serves the victim for a while and remembers how that was.
    async fn measure(&mut self) -> Result<Before> {
        let idle = self.victim.rounds(soak::count(40, 400)).await?;
        self.found(&idle)
    }

    /// As [`Siege::measure`], while something goes on that is no attack and goes on during one.
    async fn measure_beside(
        &mut self,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Result<Before> {
        let (busy, ()) = self.victim.while_attacked(work).await?;
        self.found(&busy)
    }

    fn found(&self, usual: &victim::Waits) -> Result<Before> {
        memory::reset_peak(self.pid()?)?;
        let resident_bytes = memory::of(self.pid()?)?.resident_bytes;
        Ok(Before { resident_bytes, usual_p99_ms: usual.p99_ms() })
    }

    /// The end of an attack: the broker lives, has not grown beyond the bound, and serves.
    async fn lifted(
        mut self,
        name: &str,
        before: &Before,
        during: &victim::Waits,
        what: &str,
        growth_max_mib: u64,
    ) -> Result<()> {
        let peak = memory::of(self.pid()?)?.peak_bytes;
        let growth = mib(peak.saturating_sub(before.resident_bytes));
        self.victim.rounds(5).await.context("the victim is not served after the attack")?;
        let (usual, attacked) = (before.usual_p99_ms, during.p99_ms());
        soak::figure(
            name,
            &format!(
                "{what}; memory + {growth:.1} MiB at most (to {:.1}); others: {} rounds, 0 errors, \
                 p99 {attacked:.1} ms, without it {usual:.1} ms, {:.1} times",
                mib(peak),
                during.count(),
                attacked / usual.max(0.001),
            ),
        );
        let bound = f64::from(u32::try_from(growth_max_mib)?);
        ensure!(growth <= bound, "{name}: the broker grew by {growth:.1} MiB, more than {bound}");
        Ok(())
    }
}

/// Where attackers run: on threads that get what nobody else wants of the processors. They would
/// come from other hosts, so what they spend on their own side is not to be taken from those whom
/// they attack; what the broker spends on them is.
fn attackers() -> &'static Handle {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        // Without a process it is the calling thread that gets it.
        let lowest = || {
            let _ = setpriority_process(None, LOWEST_PRIORITY);
        };
        let mut builder = Builder::new_multi_thread();
        let built = builder.worker_threads(2).enable_all().on_thread_start(lowest).build();
        built.expect("a runtime for the attackers")
    });
    RUNTIME.handle()
}

const LOWEST_PRIORITY: i32 = 19;

/// How an identity connects.
fn identified(credentials: &Credentials) -> Result<ClientConfig> {
    Ok(ClientConfig::identified(credentials, Clock::system())?)
}

/// Waits until the broker holds no more sockets than before: nothing of an attack stays.
async fn sockets_return(pid: u32, before: usize) -> Result<()> {
    eventually("the broker closes what the attack opened", async || {
        Ok((memory::sockets(pid)? <= before).then_some(()))
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const ATTACKER: &str = "attacker";
const BAIT: &str = "bait";
