//! What it costs that a delivery is on the record before it leaves: deliveries per second with the
//! record and without, by the broker's own custody in this process. Without means that the record
//! of all of them is said to be durable already, as it is in a push. Ports, TLS and encoding are
//! left out of both.

use crate::{
    push::Contestant,
    servers::{Broker, Server, Shape},
    table::{Figure, LIMIT, Table, median},
};
use anyhow::{Result, ensure};
use secretref_broker::{
    app::{self, SystemClock},
    config::Config,
    custody::{Admission, Custody, Sent},
};
use secretref_domain::{
    change::Serial,
    id::{Digest, SecretId},
    name::SecretName,
    version::Version,
};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Who is sent what, again and again.
struct Bench {
    custody: Custody,
    admissions: Vec<Admission>,
    /// What each is said to hold: a version from before.
    held: Sent,
    /// What is on the record, where the record is left out.
    recorded: HashMap<SecretId, Version>,
}

/// Measures each broker's custody, a table for each; the brokers themselves are stopped.
pub(crate) async fn measure(contestants: &mut [Contestant]) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for contestant in contestants.iter_mut() {
        let Server::Broker(broker) = &mut contestant.server else { continue };
        let mut table = Table::new(format!(
            "{}: deliveries per second on their record, by custody alone; the limit: the same \
             without it",
            contestant.name
        ));
        let bench = Bench::of(broker).await?;
        for (clients, what) in ROWS {
            let (mut with, mut without) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                with.push(bench.run(*clients, true).await?);
                without.push(bench.run(*clients, false).await?);
            }
            let figures = vec![
                Figure::new(LIMIT, median(without)),
                Figure::new(contestant.name, median(with)),
            ];
            table.add(what, "/s", figures, None);
        }
        bench.custody.close().await;
        broker.serve().await?;
        tables.push(table);
    }
    Ok(tables)
}

impl Bench {
    async fn of(broker: &mut Broker) -> Result<Self> {
        let most = ROWS.iter().map(|(clients, _)| *clients).max().unwrap_or(1);
        let credentials = broker.credentials(Shape::Instances, most).await?;
        broker.stop()?;
        let config = Config::load(&broker.data())?;
        let custody = app::custody(&config, Arc::new(SystemClock)).await?;
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut admissions = Vec::with_capacity(most);
        for credentials in credentials {
            let serial = Serial(credentials.serial().to_string());
            let caller = custody.caller(credentials.subject(), &serial, peer, false)?;
            admissions.push(custody.admit(&caller, &serial).await?);
        }
        let first = custody.frame(&admissions[0], &Sent::new(), &HashMap::new()).await?;
        let mut recorded = HashMap::new();
        let mut held = Sent::new();
        for it in &first.secrets {
            recorded.insert(it.desired.secret, it.desired.version);
            held.insert(it.desired.name.clone(), (it.desired.version, Digest([0; 32])));
        }
        ensure!(
            held.contains_key(&SecretName::parse(Shape::Instances.secret())?),
            "nothing is owed"
        );
        Ok(Self { custody, admissions, held, recorded })
    }

    /// So many clients, each of which asks again once it has what it asked for.
    async fn run(&self, clients: usize, on_record: bool) -> Result<f64> {
        let (start, end) = (Instant::now(), Instant::now() + DURATION);
        let mut working = JoinSet::new();
        for admission in self.admissions.iter().take(clients) {
            let (admission, custody) = (admission.clone(), self.custody.clone());
            let held = self.held.clone();
            let recorded = if on_record { HashMap::new() } else { self.recorded.clone() };
            working.spawn(async move {
                let mut done = 0_u64;
                while Instant::now() < end {
                    let frame = Box::pin(custody.frame(&admission, &held, &recorded)).await?;
                    ensure!(frame.secrets.iter().all(|it| it.body.is_some()), "no value");
                    done += 1;
                    // Whoever waits for nothing lets others have their turn.
                    tokio::task::yield_now().await;
                }
                anyhow::Ok(done)
            });
        }
        let mut done = 0;
        while let Some(part) = working.join_next().await {
            done += part??;
        }
        Ok(done as f64 / start.elapsed().as_secs_f64())
    }
}

const ROWS: &[(usize, &str)] = &[
    (1, "deliveries, 1 client"),
    (64, "deliveries, 64 clients"),
    (256, "deliveries, 256 clients"),
];
const ROUNDS: usize = 3;
const DURATION: Duration = Duration::from_secs(2);
