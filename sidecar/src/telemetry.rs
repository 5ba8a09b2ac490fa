//! Logs, on standard error; and spans, to a collector.

use crate::config::{LogConfig, collector};
use secretref_spans::Telling;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. Our own crates log at the level that was asked for; libraries never below
/// `info`, because what they print at `trace` is not ours to promise.
pub fn init(config: LogConfig) {
    let filter = Targets::new()
        .with_default(config.level.min(LevelFilter::INFO))
        .with_target("secretref", config.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let started = if config.json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_target(false)).try_init()
    };
    // A test that starts two sidecars in one process has a logger already, which is enough.
    drop(started);
}

/// Tells a collector of spans, where the environment names one. A wrong name is no reason for an
/// agent to be without its credentials.
pub fn tell() -> Option<Telling> {
    let endpoint = collector()?;
    match secretref_spans::tell("secretref-sidecar", env!("CARGO_PKG_VERSION"), &endpoint) {
        Ok(telling) => Some(telling),
        Err(error) => {
            tracing::warn!(%error, "no spans are told");
            None
        }
    }
}
