//! Rotations that begin by themselves: before a value ends, on a schedule, in a window. The
//! broker's clock is moved by hand; of what does not begin it is known that the broker has looked,
//! because another ref was due at that very moment.

use super::{Stage, manifest, trouble::Peer};
use crate::scene::STRIPE;
use anyhow::{Context, Result, ensure};
use secretref_broker::app::SystemClock;
use secretref_domain::clock::{Clock, Timestamp};
use secretref_proto::v1::{
    ListRotationsRequest, PutSecretRequest, ResultState, Rotation, RotationPhase,
};
use secretref_testkit::{
    admin::Admin, broker::Broker, clock::ManualClock, engine::Engine, fleet::Member,
    on_both_engines, peer, wait::eventually,
};
use serde_json::{Value, json};
use std::sync::Arc;

on_both_engines!(
    a_value_that_ends_soon_is_rotated_by_itself,
    a_schedule_begins_one_at_the_secrets_own_part_of_the_jitter,
    a_window_is_waited_for_unless_the_end_is_near,
    one_that_failed_rests_before_it_is_tried_again,
    one_that_cannot_begin_is_not_tried_at_every_look,
);

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
/// Refs that are due when the broker is to look; each is used once.
const MARKERS: [&str; 3] = ["marker-1", "marker-2", "marker-3"];

/// A broker whose clock is moved.
struct Hours {
    clock: ManualClock,
    broker: Broker,
    admin: Admin,
}

impl Hours {
    async fn set(engine: Engine, rotation: Value) -> Result<Self> {
        let clock = ManualClock::at(SystemClock.now());
        let broker = Broker::start_by(engine, Arc::new(clock.clone())).await?;
        let mut manifest = manifest(json!({"beforeExpiry": "0s"}), json!({}));
        let merged = manifest["refMap"][STRIPE]["rotation"].as_object_mut().context("a policy")?;
        merged.extend(rotation.as_object().context("a policy")?.clone());
        for marker in MARKERS {
            let rotation = json!({"rotator": "random", "overlap": "0s", "beforeExpiry": "1s"});
            manifest["refMap"][marker] = json!({"provider": "store", "rotation": rotation});
        }
        let admin = broker.admin().await?;
        admin.apply(&manifest.to_string()).await?;
        Ok(Self { clock, broker, admin })
    }

    /// Puts a value that ends so many seconds from now; the secret's identity.
    async fn put(&self, name: &str, ends_in: Option<i64>) -> Result<String> {
        let end = ends_in.map(|seconds| self.clock.now().plus_seconds(seconds));
        let request = PutSecretRequest {
            name: name.to_owned(),
            value: format!("{name}-1").into_bytes(),
            expire_time: end.map(wire),
            ..PutSecretRequest::default()
        };
        let put = self.admin.secrets().put_secret(request).await?.into_inner();
        Ok(put.secret.context("no secret")?.uid)
    }

    /// The rotations of a ref, the newest first.
    async fn rotations(&self, secret_ref: &str) -> Result<Vec<Rotation>> {
        let secret_ref = secret_ref.to_owned();
        let request = ListRotationsRequest { secret_ref, ..ListRotationsRequest::default() };
        Ok(self.admin.rotations().list_rotations(request).await?.into_inner().rotations)
    }

    /// Waits until the newest rotation of a ref, of so many, is over.
    async fn over(&self, secret_ref: &str, number: usize) -> Result<Rotation> {
        eventually(&format!("rotation {number} of {secret_ref} is over"), async || {
            let found = self.rotations(secret_ref).await?;
            ensure!(found.len() <= number, "it was rotated too often: {found:?}");
            let over = [RotationPhase::Finished, RotationPhase::Failed];
            let newest = found.first().filter(|it| over.contains(&it.phase()));
            Ok(newest.filter(|_| found.len() == number).cloned())
        })
        .await
    }

    /// Moves the clock on to a time, at which no rotation of the Stripe key is to begin: a marker
    /// that is due then does, and what else is due begins in the same look.
    async fn nothing_at(&self, time: Timestamp, marker: &str, before: usize) -> Result<()> {
        let in_seconds = time.millis_since(self.clock.now()) / 1000;
        self.put(marker, Some(in_seconds + 1)).await?;
        self.clock.set(time);
        self.over(marker, 1).await?;
        let found = self.rotations(STRIPE).await?;
        ensure!(found.len() == before, "one began too early: {found:?}");
        Ok(())
    }
}

fn wire(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// A cron expression of the one minute of the day that a time is in.
fn minute_of(at: Timestamp) -> String {
    let minutes = at.as_micros() / 1_000_000 / MINUTE;
    format!("{} {} * * *", minutes % 60, minutes / 60 % 24)
}

async fn a_value_that_ends_soon_is_rotated_by_itself(engine: Engine) -> Result<()> {
    let hours = Hours::set(engine, json!({"beforeExpiry": "2h"})).await?;
    let began = hours.clock.now();
    hours.put(STRIPE, Some(3 * HOUR)).await?;
    hours.put("slack-bot-token", None).await?;
    let token = hours.admin.token(crate::scene::AGENT).await?;
    let mut member = Member::join(&hours.broker.listening().agents.to_string(), &token).await?;
    hours.nothing_at(began.plus_seconds(HOUR - 1), MARKERS[0], 0).await?;
    hours.clock.set(began.plus_seconds(HOUR));
    let done = hours.over(STRIPE, 1).await?;
    ensure!(done.phase() == RotationPhase::Finished && done.proofs.len() == 1, "{done:?}");
    ensure!(done.trigger == "the value ends soon", "{done:?}");
    ensure!(done.requested_by.starts_with("broker:"), "{done:?}");
    let value = tokio::fs::read(member.secrets().join("STRIPE_API_KEY")).await?;
    ensure!(value.len() == 24, "the agent has {} bytes", value.len());
    // The new one is valid as long as the old one was, and is not due again.
    hours.nothing_at(began.plus_seconds(2 * HOUR - 1), MARKERS[1], 1).await?;
    hours.clock.set(began.plus_seconds(2 * HOUR));
    hours.over(STRIPE, 2).await?;
    member.until("its whole set", secretref_sidecar::status::Status::is_ready).await?;
    member.stop().await
}

async fn a_schedule_begins_one_at_the_secrets_own_part_of_the_jitter(engine: Engine) -> Result<()> {
    let clock = SystemClock.now();
    let hour_on = clock.plus_seconds(HOUR);
    let policy = json!({"schedule": minute_of(hour_on), "jitter": "10m"});
    let hours = Hours::set(engine, policy).await?;
    let id = uuid::Uuid::parse_str(&hours.put(STRIPE, None).await?)?;
    // Between nothing and all of the ten minutes, as its identity says.
    let [.., first, second] = id.into_bytes();
    let part = f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "ten minutes at most")]
    let put_off = (part * 10.0 * 60.0) as i64;
    let minute = Timestamp::from_micros(hour_on.as_micros() / 60_000_000 * 60_000_000);
    let due = minute.plus_seconds(put_off);
    hours.nothing_at(due.plus_seconds(-1), MARKERS[0], 0).await?;
    hours.clock.set(due);
    let done = hours.over(STRIPE, 1).await?;
    ensure!(done.trigger == "due" && done.requested_by.starts_with("broker:"), "{done:?}");
    // Once a day.
    hours.nothing_at(due.plus_seconds(6 * HOUR), MARKERS[1], 1).await
}

async fn a_window_is_waited_for_unless_the_end_is_near(engine: Engine) -> Result<()> {
    // Both triggers wait for one minute of the day, which is in half an hour.
    let now = SystemClock.now();
    let opens =
        Timestamp::from_micros(now.as_micros() / 60_000_000 * 60_000_000).plus_seconds(30 * MINUTE);
    let window = json!({"beforeExpiry": "7d", "window": minute_of(opens)});
    let hours = Hours::set(engine, window).await?;
    hours.put(STRIPE, Some(26 * HOUR)).await?;
    hours.nothing_at(opens.plus_seconds(-1), MARKERS[0], 0).await?;
    hours.clock.set(opens);
    let done = hours.over(STRIPE, 1).await?;
    ensure!(done.phase() == RotationPhase::Finished, "{done:?}");
    // One whose window has passed by, and which ends within a day: the window is closed still.
    let late = opens.plus_seconds(10 * MINUTE);
    hours.clock.set(late);
    hours.put(STRIPE, Some(25 * HOUR)).await?;
    hours.nothing_at(late.plus_seconds(HOUR - 1), MARKERS[1], 1).await?;
    hours.clock.set(late.plus_seconds(HOUR));
    let done = hours.over(STRIPE, 2).await?;
    ensure!(done.trigger == "the value ends soon", "{done:?}");
    Ok(())
}

async fn one_that_failed_rests_before_it_is_tried_again(engine: Engine) -> Result<()> {
    let hours = Hours::set(engine, json!({"beforeExpiry": "175m"})).await?;
    let began = hours.clock.now();
    hours.put(STRIPE, Some(3 * HOUR)).await?;
    hours.put("slack-bot-token", None).await?;
    let Hours { clock, broker, admin } = hours;
    let stage = Stage::of(broker, admin)?;
    let mut peer = Peer::join(&stage).await?;
    let hours = Hours { clock, broker: stage.broker, admin: stage.admin };
    hours.clock.set(began.plus_seconds(5 * MINUTE));
    let refuses = async |peer: &mut Peer, version| {
        let (nonce, entry) = peer.is_sent(version).await?;
        peer.watcher.receive(nonce).await?;
        peer.watcher.report(vec![peer::result(&entry, ResultState::Failed, "no")]).await
    };
    refuses(&mut peer, 2).await?;
    let failed = hours.over(STRIPE, 1).await?;
    ensure!(failed.phase() == RotationPhase::Failed, "{failed:?}");
    peer.takes(3).await?;
    hours.nothing_at(began.plus_seconds(20 * MINUTE - 1), MARKERS[0], 1).await?;
    hours.clock.set(began.plus_seconds(20 * MINUTE));
    refuses(&mut peer, 4).await?;
    hours.over(STRIPE, 2).await?;
    peer.takes(5).await?;
    hours.nothing_at(began.plus_seconds(50 * MINUTE - 1), MARKERS[1], 2).await?;
    hours.clock.set(began.plus_seconds(50 * MINUTE));
    peer.takes(6).await?;
    let done = hours.over(STRIPE, 3).await?;
    ensure!(done.phase() == RotationPhase::Finished, "{done:?}");
    Ok(())
}

/// Each try reads the secrets of its rotator, which is recorded.
async fn one_that_cannot_begin_is_not_tried_at_every_look(engine: Engine) -> Result<()> {
    let hours = Hours::set(engine, json!({"beforeExpiry": "2h", "rotator": "absent"})).await?;
    let own = json!({"admin": {"secretRef": "keys-admin"}});
    let absent = json!({"type": "exec", "command": "not-there.sh", "secrets": own});
    let manifest = json!({
        "secrets": {"rotators": {"absent": absent}},
        "refMap": {"keys-admin": {"provider": "store"}},
    });
    hours.admin.apply(&manifest.to_string()).await?;
    hours.put("keys-admin", None).await?;
    let tries = async |wanted: usize| {
        eventually(&format!("it was tried {wanted} times"), async || {
            let trail = hours.admin.audit_trail().await?;
            let read = trail.iter().filter(|it| it.object == "keys-admin");
            let tried = read.filter(|it| it.action == "secret.use").count();
            ensure!(tried <= wanted, "it was tried {tried} times");
            Ok((tried == wanted).then_some(()))
        })
        .await
    };
    let began = hours.clock.now();
    hours.put(STRIPE, Some(HOUR)).await?;
    tries(1).await?;
    hours.nothing_at(began.plus_seconds(30), MARKERS[0], 0).await?;
    hours.nothing_at(began.plus_seconds(MINUTE - 1), MARKERS[1], 0).await?;
    tries(1).await?;
    hours.clock.set(began.plus_seconds(MINUTE));
    tries(2).await
}
