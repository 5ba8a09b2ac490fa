//! What the process takes of its host, as Linux says it: `/proc/self/statm` and `/proc/self/stat`,
//! <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.

use opentelemetry::{KeyValue, metrics::Meter};
use rustix::param::{clock_ticks_per_second, page_size};
use std::fs;

/// Measures it whenever somebody asks.
pub(super) fn observe(meter: &Meter) {
    // The provider keeps what is observed: these are only its handles.
    let _ = meter
        .i64_observable_up_down_counter("process.memory.usage")
        .with_unit("By")
        .with_description("Resident memory")
        .with_callback(|to| {
            if let Some(bytes) = resident_bytes() {
                to.observe(bytes, &[]);
            }
        })
        .build();
    let _ = meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Time of a core")
        .with_callback(|to| {
            for (mode, seconds) in cpu_seconds().into_iter().flatten() {
                to.observe(seconds, &[KeyValue::new("cpu.mode", mode)]);
            }
        })
        .build();
}

fn resident_bytes() -> Option<i64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(i64::try_from(page_size()).ok()?)
}

fn cpu_seconds() -> Option<[(&'static str, f64); 2]> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything, up to the last bracket.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut ticks = rest.split(' ').skip(11).map(|it| it.parse::<u32>().ok().map(f64::from));
    let (user, system) = (ticks.next()??, ticks.next()??);
    let per_second = f64::from(u32::try_from(clock_ticks_per_second()).ok()?);
    Some([("user", user / per_second), ("system", system / per_second)])
}

#[cfg(test)]
mod tests;
