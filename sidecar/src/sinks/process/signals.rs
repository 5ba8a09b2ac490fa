//! Signals: those that are passed on to a program, by their names and numbers.

use rustix::process::Signal;
use std::{io, task::Poll};
use tokio::signal::unix::{self, SignalKind};

/// What the sidecar is sent while it runs a program.
pub(super) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// Hears them from now on; what they would do to the sidecar by default no longer happens.
    pub(super) fn hear() -> io::Result<Self> {
        let heard: io::Result<_> = FORWARDED
            .iter()
            .map(|(_, signal)| Ok((*signal, unix::signal(SignalKind::from_raw(signal.as_raw()))?)))
            .collect();
        Ok(Self(heard?))
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (signal, heard) in &mut self.0 {
                if heard.poll_recv(context).is_ready() {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The signal of a name such as `HUP`.
pub(super) fn named(name: &str) -> Option<Signal> {
    FORWARDED.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal)
}

/// Whether a signal asks the sidecar to end.
pub(super) fn ends(signal: Signal) -> bool {
    signal == Signal::TERM || signal == Signal::INT
}

/// Whether a terminal sends a signal to all of its foreground at once: who shares a terminal with
/// the sidecar has it already.
pub(super) fn of_terminal(signal: Signal) -> bool {
    [Signal::INT, Signal::QUIT, Signal::HUP, Signal::WINCH].contains(&signal)
}

const FORWARDED: [(&str, Signal); 7] = [
    ("TERM", Signal::TERM),
    ("INT", Signal::INT),
    ("HUP", Signal::HUP),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("QUIT", Signal::QUIT),
    ("WINCH", Signal::WINCH),
];
