//! Signals: those that are passed on to a program, by their names and numbers.

use rustix::process::Signal;
use std::{future::poll_fn, io, task::Poll};
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

/// What the sidecar is sent while it runs a program.
pub struct Signals {
    heard: Vec<(Signal, unix::Signal)>,
    /// Cancelled where the sidecar itself asks for what SIGTERM would; until that was told.
    asked: Option<CancellationToken>,
}

impl Signals {
    /// Hears them from now on; what they would do to the sidecar by default no longer happens. That
    /// `asked` is cancelled is heard as one SIGTERM.
    ///
    /// # Errors
    /// Where the system does not give what it takes.
    pub fn hear(asked: CancellationToken) -> io::Result<Self> {
        let heard: io::Result<_> = FORWARDED
            .iter()
            .map(|(_, signal)| Ok((*signal, unix::signal(SignalKind::from_raw(signal.as_raw()))?)))
            .collect();
        Ok(Self { heard: heard?, asked: Some(asked) })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        let Self { heard, asked } = self;
        let signal = poll_fn(|context| {
            for (signal, heard) in &mut *heard {
                if heard.poll_recv(context).is_ready() {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        });
        let Some(token) = asked else { return signal.await };
        tokio::select! {
            signal = signal => return signal,
            () = token.cancelled() => {}
        }
        *asked = None;
        Signal::TERM
    }

    /// Waits for one that asks the sidecar to end; the others are passed over.
    pub async fn end(&mut self) -> Signal {
        loop {
            let signal = self.next().await;
            if ends(signal) {
                return signal;
            }
        }
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
