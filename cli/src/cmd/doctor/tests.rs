//! Each code: what triggers it, and what is next to it and does not.

use super::*;
use crate::{
    failure::Failure,
    profile::{Files, Profile},
};
use prost_types::Timestamp;
use secretref_proto::v1::{
    AgentState, AgentStatus, Instance, RefState, RefStatus, RunOutcome, Schedule, ScheduleState,
    ScheduledRun, Secret,
};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

const OWN: &str = "1.4.2";
const DAY: i64 = 86_400;

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[test]
fn versions_are_compared_by_their_minor_number() {
    let cases = [
        ("1.4.9", Some(0)),
        ("1.3.0", Some(-1)),
        ("1.6.0", Some(2)),
        ("2.4.0", Some(MAJOR)),
        ("0.9.0", Some(5 - MAJOR)),
        ("", None),
        ("next", None),
    ];
    for (version, wanted) in cases {
        assert_eq!(distance(version, OWN), wanted, "{version}");
    }
}

#[test]
fn the_host_is_looked_at() {
    let well = Host { sidecar: Some("/bin/x".into()), swaps: false, secrets_in_memory: Some(true) };
    assert_eq!(codes(&host::findings(&well)), [""; 0]);
    let absent = Host { secrets_in_memory: None, ..well };
    assert_eq!(codes(&host::findings(&absent)), [""; 0]);
    let ill = Host { sidecar: None, swaps: true, secrets_in_memory: Some(false) };
    assert_eq!(codes(&host::findings(&ill)), ["sidecar-missing", "secrets-on-disk", "swap-on"]);
    if cfg!(target_os = "linux") {
        assert_eq!(host::in_memory(Path::new("/proc")), Some(false));
    }
    assert_eq!(host::in_memory(Path::new("/nowhere")), None);
}

/// A profile whose files hold this, and its key's mode.
fn profile(mode: u32) -> (tempfile::TempDir, Profile) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["ca", "cert", "key"] {
        fs::write(file(name), name).unwrap();
    }
    fs::set_permissions(file("key"), fs::Permissions::from_mode(mode)).unwrap();
    let profile = Profile {
        address: "a:1".to_owned(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        agents: None,
    };
    (folder, profile)
}

fn of_profile(profile: &Profile, ending: Option<Ending>) -> Vec<&'static str> {
    let files = connect::check_files(profile);
    codes(&profile::findings(profile, &files, ending, ""))
}

#[test]
fn the_profiles_files_are_looked_at() {
    let (_folder, open) = profile(0o640);
    assert_eq!(of_profile(&open, None), ["key-not-private"]);
    let (_folder, strange) = profile(0o600);
    assert_eq!(of_profile(&strange, None), ["files-do-not-fit"]);
    fs::write(strange.cert.with_extension("new"), "").unwrap();
    let files = Files::of(&strange);
    assert!(files.is_interrupted());
    assert_eq!(of_profile(&strange, None), ["renewal-interrupted"]);
    fs::remove_file(&strange.ca).unwrap();
    assert_eq!(of_profile(&strange, None), ["file-missing"]);
}

#[test]
fn the_certificates_end_is_looked_at() {
    let (_folder, found) = profile(0o600);
    let ending =
        |left: i64| Some(Ending { not_before: 0, not_after: 90 * DAY, now: 90 * DAY - left });
    let told = |ending| codes(&profile::findings(&found, &Ok(()), ending, ""));
    assert_eq!(told(ending(14 * DAY)), [""; 0]);
    assert_eq!(told(ending(13 * DAY)), ["certificate-ends-soon"]);
    assert_eq!(told(ending(-1)), ["certificate-ended"]);
}

fn broker(version: &str, seconds: i64, stale: bool) -> Answer {
    Answer::Known(Box::new(v1::GetBrokerResponse {
        version: version.to_owned(),
        time: at(seconds),
        stale,
        ..v1::GetBrokerResponse::default()
    }))
}

#[test]
fn the_broker_is_looked_at() {
    let told = |answer| codes(&broker::findings(&answer, OWN, (1_000_000_000, 1_002_000_000)));
    for version in ["1.3.0", "1.4.2", "1.5.9"] {
        assert_eq!(told(broker(version, 1001, false)), [""; 0], "{version}");
    }
    assert_eq!(told(broker("1.2.9", 1001, false)), ["broker-older"]);
    assert_eq!(told(Answer::Older), ["broker-older"]);
    assert_eq!(told(broker("1.6.0", 1001, false)), ["broker-newer"]);
    assert_eq!(told(broker(OWN, 1000 - 29, false)), [""; 0]);
    assert_eq!(told(broker(OWN, 1000 - 30, false)), ["clock-skew"]);
    assert_eq!(told(broker(OWN, 1002 + 29, false)), [""; 0]);
    assert_eq!(told(broker(OWN, 1002 + 30, false)), ["clock-skew"]);
    assert_eq!(told(broker(OWN, 1001, true)), ["broker-stale"]);
}

fn agent(state: AgentState, versions: &[Option<&str>]) -> AgentStatus {
    let instance = |version: &Option<&str>| Instance {
        connected: version.is_some(),
        client_version: version.unwrap_or_default().to_owned(),
        ..Instance::default()
    };
    AgentStatus {
        agent: "a".to_owned(),
        state: state.into(),
        instances: versions.iter().map(instance).collect(),
        ..AgentStatus::default()
    }
}

#[test]
fn sidecars_are_looked_at() {
    let told = |state, versions: &[Option<&str>]| {
        codes(&fleet::agents(&[agent(state, versions)], OWN, &Timestamp::default(), ""))
    };
    let active = AgentState::Active;
    assert_eq!(told(active, &[Some("1.3.0"), Some(OWN), Some("1.5.0"), None]), [""; 0]);
    assert_eq!(told(active, &[Some("")]), [""; 0], "one that does not say");
    assert_eq!(told(active, &[]), ["agent-without-sidecar"]);
    assert_eq!(told(active, &[None]), ["agent-without-sidecar"]);
    assert_eq!(told(AgentState::Revoked, &[]), [""; 0]);
    assert_eq!(told(active, &[Some("1.2.0"), Some("1.6.0")]), ["sidecar-older", "sidecar-newer"]);
}

#[test]
fn schedules_are_looked_at() {
    let told = |now: i64, exit_code: Option<i32>, state: ScheduleState| {
        let run = |exit_code| ScheduledRun {
            outcome: RunOutcome::Ended.into(),
            exit_code,
            ..ScheduledRun::default()
        };
        let schedule = Schedule {
            state: state.into(),
            next_run_time: at(100),
            last_run: exit_code.map(run),
            ..Schedule::default()
        };
        let mut status = agent(AgentState::Active, &[None]);
        status.instances[0].schedule = Some(schedule);
        let now = Timestamp { seconds: now, nanos: 0 };
        codes(&fleet::agents(&[status], OWN, &now, ""))
    };
    let waiting = ScheduleState::Waiting;
    assert_eq!(told(0, None, waiting), [""; 0], "it need not be connected");
    assert_eq!(told(160, Some(0), waiting), [""; 0], "it is about to be");
    assert_eq!(told(161, Some(0), waiting), ["run-overdue"]);
    assert_eq!(told(0, Some(1), waiting), ["run-failed"]);
    assert_eq!(told(0, Some(1), ScheduleState::Ended), ["agent-without-sidecar"]);
    assert_eq!(told(0, Some(0), ScheduleState::Running), ["agent-without-sidecar"]);
}

#[test]
fn refs_are_looked_at() {
    let told = |state: RefState| {
        let refs = vec![RefStatus { state: state.into(), ..RefStatus::default() }];
        let status = AgentStatus { refs, ..agent(AgentState::Active, &[]) };
        codes(&fleet::refs(&[status], ""))
    };
    let scheduled = RefState::Scheduled;
    for well in [RefState::Injected, RefState::Pending, RefState::Waiting, scheduled] {
        assert_eq!(told(well), [""; 0]);
    }
    assert_eq!(told(RefState::Unresolved), ["ref-unresolved"]);
    assert_eq!(told(RefState::Denied), ["ref-denied"]);
    assert_eq!(told(RefState::Failed), ["ref-failed"]);
}

#[test]
fn secrets_are_looked_at() {
    let now = Timestamp { seconds: 100 * DAY, nanos: 0 };
    let told = |expire_time, deprecation_time| {
        let secret = Secret { expire_time, deprecation_time, ..Secret::default() };
        codes(&fleet::secrets(&[secret], &now, ""))
    };
    assert_eq!(told(None, None), [""; 0]);
    assert_eq!(told(at(107 * DAY + 1), at(100 * DAY + 1)), [""; 0]);
    assert_eq!(told(at(107 * DAY), None), ["secret-expires-soon"]);
    assert_eq!(told(at(100 * DAY), None), ["secret-expired"]);
    assert_eq!(told(None, at(100 * DAY)), ["secret-deprecated"]);
}

#[test]
fn the_worst_decides_how_it_ends() {
    let visit = |severities: &[Severity], unreachable| {
        let finding = |it: &Severity| Finding::new("x", *it, "", "", "");
        Visit {
            findings: severities.iter().map(finding).collect(),
            unreachable,
            ..Visit::default()
        }
        .exit()
    };
    assert_eq!(visit(&[], false), Exit::Done);
    assert_eq!(visit(&[Severity::Note], false), Exit::Done);
    assert_eq!(visit(&[Severity::Note, Severity::Warning], false), Exit::Refused);
    assert_eq!(visit(&[Severity::Broken, Severity::Warning], false), Exit::Usage);
    assert_eq!(visit(&[Severity::Broken], true), Exit::Unreachable);
}

#[test]
fn a_finding_is_one_line_with_its_fix() {
    let failure = Failure::usage("it is\nbroken.", "mend it");
    let line = Finding::of("profile-missing", "profile", &failure).line();
    assert_eq!(line, "❌ profile-missing: profile: it is broken. Fix: mend it");
}

/// The page of the codes and the code itself know the same.
#[test]
fn every_code_is_on_its_page() {
    let page = include_str!("../../../../docs/doctor.md");
    let sources = [
        include_str!("../doctor.rs"),
        include_str!("broker.rs"),
        include_str!("fleet.rs"),
        include_str!("host.rs"),
        include_str!("profile.rs"),
    ];
    let quoted = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let is_code = |text: &&str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        text.contains('-') && !text.starts_with('-') && text.bytes().all(allowed)
    };
    let codes: BTreeSet<&str> =
        quoted.filter(is_code).filter(|text| !text.starts_with("secretref-")).collect();
    assert!(codes.len() >= 20, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("| `{code}` |")), "docs/doctor.md has no {code}");
    }
}
