//! Hosts with an address each, on one machine: network namespaces around a bridge, whose links can
//! be cut in either direction or both. Needs root and `ip` (iproute2).
//!
//! ```text
//! this namespace             host 1             host 2
//! brokers on 10.x.y.1        10.x.y.2           10.x.y.3
//!        └── bridge ── veth ──┘    └─── veth ────┘
//! ```
//! Nothing of it leaves the machine, and all of it goes when it is dropped.

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{fs::File, net::Ipv4Addr, os::fd::AsFd, path::PathBuf, process::Command};
use tokio_util::task::LocalPoolHandle;

/// A network of hosts.
pub struct Network {
    /// Part of the name of everything of it, so that several can be on one machine.
    name: String,
    /// The first two bytes of its addresses that are its own.
    block: (u8, u8),
    hosts: Vec<String>,
}

/// What of a host's link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Everything: the link is down.
    Both,
    /// What the host sends goes nowhere; what is sent to it arrives.
    Outbound,
    /// What is sent to the host goes nowhere; what it sends arrives.
    Inbound,
}

impl Network {
    /// A network of this many hosts, 200 at most; none where it cannot be made, which is said, and
    /// is an error in CI.
    ///
    /// # Errors
    /// In CI, where it cannot be made.
    pub fn of(hosts: u8) -> Result<Option<Self>> {
        match Self::make(hosts) {
            Ok(network) => Ok(Some(network)),
            Err(error) if crate::python::is_ci() => {
                Err(error.context("CI needs network namespaces: root, and iproute2"))
            }
            Err(error) => {
                #[expect(clippy::print_stderr, reason = "a test that did not run has to say so")]
                {
                    eprintln!("no network namespaces, and partitions are NOT tested: {error:#}");
                }
                Ok(None)
            }
        }
    }

    fn make(hosts: u8) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "only root can make them");
        ensure!(hosts <= 200, "{hosts} hosts do not fit into one network");
        let id = std::process::id();
        let block = (u8::try_from(id % 200)?, fastrand::u8(..));
        let mut network = Self { name: format!("sr{id}"), block, hosts: Vec::new() };
        let bridge = network.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/24", network.here()), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for number in 0..hosts {
            network.add_host(number)?;
        }
        Ok(network)
    }

    fn add_host(&mut self, number: u8) -> Result<()> {
        let host = format!("{}n{number}", self.name);
        ip(&["netns", "add", &host])?;
        self.hosts.push(host.clone());
        let (outside, inside) = (self.link(number), format!("{}e{number}", self.name));
        ip(&["link", "add", &outside, "type", "veth", "peer", "name", &inside])?;
        ip(&["link", "set", &inside, "netns", &host])?;
        ip(&["link", "set", &outside, "master", &self.bridge(), "up"])?;
        let address = format!("{}/24", self.address(number));
        ip(&["-n", &host, "addr", "add", &address, "dev", &inside])?;
        ip(&["-n", &host, "link", "set", &inside, "up"])?;
        ip(&["-n", &host, "link", "set", "lo", "up"])
    }

    /// The address of this namespace, as the hosts see it.
    #[must_use]
    pub fn here(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.block.0, self.block.1, 1)
    }

    /// A thread on a host: every socket that is made on it is the host's.
    ///
    /// # Errors
    /// Where the thread cannot be moved there.
    pub async fn thread_on(&self, number: u8) -> Result<LocalPoolHandle> {
        let host = self.hosts.get(usize::from(number)).context("there is no such host")?;
        let path = PathBuf::from("/run/netns").join(host);
        let pool = LocalPoolHandle::new(1);
        let moved = pool.spawn_pinned(move || async move {
            let namespace = File::open(path)?;
            let network = Some(LinkNameSpaceType::Network);
            Ok::<_, std::io::Error>(move_into_link_name_space(namespace.as_fd(), network)?)
        });
        moved.await??;
        Ok(pool)
    }

    /// Cuts a host off.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn cut(&self, number: u8, cut: Cut) -> Result<()> {
        let (host, address) = (format!("{}n{number}", self.name), self.address(number).to_string());
        match cut {
            Cut::Both => ip(&["link", "set", &self.link(number), "down"]),
            Cut::Outbound => {
                let here = self.here().to_string();
                ip(&["-n", &host, "route", "replace", "blackhole", &here])
            }
            Cut::Inbound => ip(&["route", "replace", "blackhole", &address]),
        }
    }

    /// Connects a host again.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn heal(&self, number: u8, cut: Cut) -> Result<()> {
        let (host, address) = (format!("{}n{number}", self.name), self.address(number).to_string());
        match cut {
            Cut::Both => ip(&["link", "set", &self.link(number), "up"]),
            Cut::Outbound => {
                let here = self.here().to_string();
                ip(&["-n", &host, "route", "del", "blackhole", &here])
            }
            Cut::Inbound => ip(&["route", "del", "blackhole", &address]),
        }
    }

    fn address(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.block.0, self.block.1, number + 2)
    }

    fn bridge(&self) -> String {
        format!("{}b", self.name)
    }

    /// The end of a host's link that is in this namespace.
    fn link(&self, number: u8) -> String {
        format!("{}v{number}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for number in 0..self.hosts.len() {
            let Ok(number) = u8::try_from(number) else { continue };
            // A route that is not there any more is as good.
            let _ = self.heal(number, Cut::Inbound);
        }
        for host in &self.hosts {
            // Its links go with it.
            let _ = ip(&["netns", "del", host]);
        }
        let _ = ip(&["link", "del", &self.bridge()]);
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let done = Command::new("ip").args(words).output().context("running ip (iproute2)")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("ip {}: {}", words.join(" "), said.trim());
    }
    Ok(())
}
