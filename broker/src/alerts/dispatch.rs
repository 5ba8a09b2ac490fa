//! The task that sorts alerts into lanes and has each lane's next message sent.

use super::{Shared, lane::Lane, tries};
use secretref_domain::{
    alert::{ChannelName, Notice},
    name::EnvironmentName,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// A channel of an environment.
type Place = (EnvironmentName, ChannelName);

pub(super) struct Dispatch {
    shared: Arc<Shared>,
    raised: mpsc::Receiver<Notice>,
    lanes: HashMap<Place, Lane>,
    /// One message a lane at most.
    sending: JoinSet<Place>,
    /// Environments of which it is said that they have no channel.
    silent: BTreeSet<EnvironmentName>,
}

impl Dispatch {
    pub(super) fn new(shared: Arc<Shared>, raised: mpsc::Receiver<Notice>) -> Self {
        let (lanes, sending, silent) = (HashMap::new(), JoinSet::new(), BTreeSet::new());
        Self { shared, raised, lanes, sending, silent }
    }

    /// Runs until the broker stops, and sends what waits then.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let pace = shared.pace;
            self.start(|lane, now| lane.next(now, pace.per_window_max, pace.window));
            let wakes_at = self.lanes.values().filter_map(Lane::wakes_at).min();
            let window_ends = async {
                match wakes_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(notice) = self.raised.recv() => self.sort(notice).await,
                Some(ended) = self.sending.join_next() => self.end(ended),
                () = window_ends => {}
                () = shared.stopping.cancelled() => break,
            }
        }
        self.raised.close();
        while let Some(notice) = self.raised.recv().await {
            self.sort(notice).await;
        }
        self.start(|lane, _| lane.last());
        while let Some(ended) = self.sending.join_next().await {
            self.end(ended);
            self.start(|lane, _| lane.last());
        }
    }

    /// Puts an alert into the lane of each channel of its environment.
    async fn sort(&mut self, notice: Notice) {
        let environment = &notice.alert.environment;
        let found = self.shared.custody.channels_of(&self.shared.caller(), environment).await;
        let channels = found.unwrap_or_else(|error| {
            tracing::error!(%error, "an alert has no way to go");
            Vec::new()
        });
        if channels.is_empty() {
            if self.silent.insert(environment.clone()) {
                tracing::warn!(
                    %environment,
                    about = notice.alert.subject(),
                    fix = "name a channel under `alerts.channels` of a manifest and apply it",
                    "nobody is told: the environment has no alert channel"
                );
            }
            return;
        }
        self.silent.remove(environment);
        for channel in channels {
            let place = (environment.clone(), channel);
            self.lanes.entry(place).or_default().add(notice.clone());
        }
    }

    /// Starts what each lane may send now.
    fn start(&mut self, next: impl Fn(&mut Lane, Instant) -> Option<Notice>) {
        let now = Instant::now();
        self.lanes.retain(|_, lane| !lane.is_idle(now));
        for (place, lane) in &mut self.lanes {
            let Some(notice) = next(lane, now) else { continue };
            let (shared, place) = (Arc::clone(&self.shared), place.clone());
            self.sending.spawn(async move {
                let (environment, channel) = &place;
                // Told already, in the trail and in the log.
                drop(tries::patiently(&shared, environment, channel, &notice).await);
                place
            });
        }
    }

    fn end(&mut self, ended: Result<Place, tokio::task::JoinError>) {
        match ended {
            Ok(place) => {
                if let Some(lane) = self.lanes.get_mut(&place) {
                    lane.free();
                }
            }
            // Whose it was is not known, so all are let go: what is on its way goes on.
            Err(error) => {
                tracing::error!(%error, "the sending of an alert failed");
                self.lanes.values_mut().for_each(Lane::free);
            }
        }
    }
}
