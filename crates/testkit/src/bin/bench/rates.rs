//! Reads and durable writes per second, each client on a connection of its own that has one
//! request under way.

use crate::{
    push::{Contestant, fresh_value},
    servers::Server,
    table::{Figure, LIMIT, Table, Target, median},
    usage::{cpu_micros, quiet},
    wire::LimitClient,
};
use anyhow::{Result, ensure};
use secretref_proto::v1::AccessSecretVersionRequest;
use secretref_testkit::admin::Admin;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// One row: what is asked for, by how many.
struct Load {
    what: &'static str,
    cpu: &'static str,
    put: bool,
    clients: usize,
    target: Option<Target>,
}

/// Operations per second, and server microseconds for each.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    micros: f64,
}

/// Measures all servers under each load.
pub(crate) async fn measure(contestants: &mut [Contestant]) -> Result<Table> {
    for contestant in contestants.iter_mut() {
        contestant.server.restart().await?;
        if let Server::Broker(broker) = &contestant.server {
            broker.admin()?.put(READ_NAME, &fresh_value()).await?;
        }
    }
    let title = "reads and durable writes per second; server CPU for each; the limit: cached read, \
                 one insert";
    let mut table = Table::new(title.to_owned());
    for load in LOADS {
        let mut rates = vec![Vec::new(); contestants.len()];
        for _ in 0..ROUNDS {
            for (contestant, rates) in contestants.iter().zip(&mut rates) {
                rates.push(run(&contestant.server, load).await?);
            }
        }
        let figures = |number: fn(&Rate) -> f64| {
            let each = contestants.iter().zip(&rates);
            let each = each.map(|(it, rates)| {
                Figure::new(it.name, median(rates.iter().map(number).collect()))
            });
            each.collect::<Vec<_>>()
        };
        table.add(load.what, "/s", figures(|rate| rate.per_second), load.target);
        table.add(load.cpu, "µs", figures(|rate| rate.micros), None);
    }
    debug_assert!(contestants.iter().any(|it| it.name == LIMIT), "nothing to compare with");
    Ok(table)
}

/// A client with a connection.
enum Client {
    Broker(Admin),
    Limit(LimitClient),
}

async fn run(server: &Server, load: &Load) -> Result<Rate> {
    let mut clients = Vec::with_capacity(load.clients);
    for _ in 0..load.clients {
        clients.push(match server {
            Server::Broker(broker) => Client::Broker(broker.connect().await?),
            Server::Limit(limit) => Client::Limit(limit.connect().await?),
        });
    }
    let before = quiet(server.pid()?).await?;
    let (start, end) = (Instant::now(), Instant::now() + DURATION);
    let mut working = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let put = load.put;
        working.spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < end {
                client.ask(put, number, done).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(part) = working.join_next().await {
        done += part??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let used = cpu_micros(server.pid()?)?.saturating_sub(before);
    Ok(Rate { per_second: done as f64 / seconds, micros: used as f64 / done as f64 })
}

impl Client {
    async fn ask(&mut self, put: bool, number: usize, done: u64) -> Result<()> {
        match (self, put) {
            (Self::Broker(admin), true) => {
                // Over so many secrets that none reaches the number at which versions are
                // destroyed, which would be further work.
                let name = format!("bench-put-{number}-{}", done % NAMES_EACH);
                admin.put(&name, &fresh_value()).await?;
            }
            (Self::Broker(admin), false) => {
                let request = AccessSecretVersionRequest {
                    name: READ_NAME.to_owned(),
                    reason: "bench".to_owned(),
                    ..AccessSecretVersionRequest::default()
                };
                let answer = admin.secrets().access_secret_version(request).await?.into_inner();
                ensure!(answer.value.len() == 256, "a read returned another value");
            }
            (Self::Limit(limit), true) => drop(limit.write(fresh_value()).await?),
            (Self::Limit(limit), false) => {
                let answer = limit.read().await?;
                ensure!(answer.value.len() == 256, "a read returned another value");
            }
        }
        Ok(())
    }
}

const LOADS: &[Load] = &[
    Load { what: "reads, 1 client", cpu: "  CPU", put: false, clients: 1, target: None },
    Load {
        what: "reads, 16 clients",
        cpu: "  CPU",
        put: false,
        clients: 16,
        target: Some(Target::RatioMin(0.7)),
    },
    Load { what: "reads, 64 clients", cpu: "  CPU", put: false, clients: 64, target: None },
    Load {
        what: "durable puts, 16 clients",
        cpu: "  CPU",
        put: true,
        clients: 16,
        target: Some(Target::RatioMin(0.6)),
    },
    Load { what: "durable puts, 64 clients", cpu: "  CPU", put: true, clients: 64, target: None },
];
const READ_NAME: &str = "bench-read";
const NAMES_EACH: u64 = 100;
const ROUNDS: usize = 3;
const DURATION: Duration = Duration::from_secs(2);
