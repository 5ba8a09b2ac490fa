//! Programs: what they are given, what they may do, and how they end.

use super::{Held, World, at, silent, suite::conforms, write::is_not_written};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, test_kill_process};
use secretref_broker::providers::{Found, Permits, Place, Provider, ProviderError};
use secretref_domain::{
    fault::Fault,
    name::{EnvVar, ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
};
use secretref_testkit::wait::eventually;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Answers each id with a text of its own, and says what it was asked in the file `asked`.
const ANSWERS: &str = r#"#!/usr/bin/env python3
import json, sys
request = json.load(sys.stdin)
with open("asked", "a") as asked:
    asked.write(json.dumps(request) + "\n")
values = {id: "value of " + id for id in request["ids"]}
print(json.dumps({"protocolVersion": 1, "values": values}))
"#;

struct Host {
    folder: TempDir,
    permits: Arc<Permits>,
}

impl Host {
    fn fresh() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("root");
        fs::create_dir(&root)?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))?;
        let value = SecretValue::new(b"from the broker".to_vec())?;
        let environment = BTreeMap::from([
            (EnvVar::parse("SERVICE_TOKEN")?, Some(value)),
            (EnvVar::parse("NOT_SET")?, None),
        ]);
        let permits = Arc::new(Permits { roots: vec![root], environment });
        Ok(Self { folder, permits })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A program below the root. A process of its own writes it: a file that this one had open for
    /// writing, and another of its threads inherited to a child, could not be executed.
    fn program(&self, name: &str, text: &str) -> Result<PathBuf> {
        write_program(&self.root().join(name), text)
    }

    fn provider(&self, command: &Path, more: Value) -> Result<Provider, ProviderError> {
        let mut settings = json!({"command": command}).as_object().unwrap().clone();
        settings.extend(more.as_object().unwrap().clone());
        let spec = ProviderSpec { kind: ProviderKind::Exec, settings };
        let alias = ProviderAlias::parse("op").unwrap();
        Provider::open(&alias, &spec, &self.permits, &BTreeMap::new())
    }

    /// What a program answers for one id.
    async fn one(&self, command: &Path, more: Value) -> Result<String, ProviderError> {
        let provider = self.provider(command, more)?;
        text(provider.fetch(&[place("key")]).await.remove(0))
    }

    async fn fails(&self, command: &Path, more: Value) -> Result<ProviderError> {
        match self.one(command, more).await {
            Ok(_) => bail!("it had a value"),
            Err(error) => Ok(silent(error)),
        }
    }
}

/// Answers with what stands in `held.json` of its folder.
const HOLDS: &str = r#"#!/usr/bin/env python3
import json, sys
ids, held = json.load(sys.stdin)["ids"], json.load(open("held.json"))
answer = {"protocolVersion": 1, "values": {id: held[id] for id in ids if id in held},
          "errors": {id: {"code": "NOT_FOUND"} for id in ids if id not in held}}
json.dump(answer, sys.stdout)
"#;

/// A program with a file of texts.
struct Holder {
    host: Host,
    program: PathBuf,
    held: BTreeMap<String, String>,
}

impl World for Holder {
    const HOLDS_BYTES: bool = false;
    const HOLDS_RECORDS: bool = false;
    const HOLDS_TOO_MUCH: bool = true;
    const CHANGES: bool = true;
    const HAS_VERSIONS: bool = false;

    async fn new() -> Result<Option<Self>> {
        let host = Host::fresh()?;
        let program = host.program("bin/holder", HOLDS)?;
        fs::write(program.with_file_name("held.json"), "{}")?;
        Ok(Some(Self { host, program, held: BTreeMap::new() }))
    }

    async fn put(&mut self, name: &str, held: &Held) -> Result<Place> {
        self.held.insert(name.to_owned(), held.text().context("it is no text")?.to_owned());
        let held = serde_json::to_vec(&self.held)?;
        fs::write(self.program.with_file_name("held.json"), held)?;
        Ok(at(name))
    }

    fn nowhere(&self) -> Place {
        at("nowhere")
    }

    fn open(&self) -> Result<Provider> {
        // Twenty interpreters at once take their time.
        Ok(self.host.provider(&self.program, json!({"timeoutMs": 60_000}))?)
    }
}

conforms!(Holder);
is_not_written!(Holder);

fn write_program(path: &Path, text: &str) -> Result<PathBuf> {
    fs::create_dir_all(path.parent().context("no folder")?)?;
    let mut tee = Command::new("tee");
    let mut tee = tee.arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    tee.stdin.take().context("no pipe")?.write_all(text.as_bytes())?;
    ensure!(tee.wait()?.success(), "the program was not written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    Ok(path.to_owned())
}

fn place(name: &str) -> Place {
    Place { reference: SecretName::parse(name).unwrap(), target: None, path: None }
}

fn text(found: Result<Found, ProviderError>) -> Result<String, ProviderError> {
    found.map(|found| String::from_utf8(found.value.expose().to_vec()).unwrap())
}

fn shell(script: &str) -> String {
    format!("#!/bin/sh\n{script}\n")
}

/// Asserts that it is an error of this kind which says this.
#[track_caller]
fn says(error: &ProviderError, fault: Fault, part: &str) {
    assert_eq!(error.fault, fault, "{error}");
    assert!(error.to_string().contains(part), "{error}");
    assert!(!error.fix.is_empty(), "{error}");
}

#[tokio::test]
async fn a_program_answers_for_all_places_in_one_run() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("bin/resolver", ANSWERS)?;
    let provider = host.provider(&program, json!({}))?;
    ensure!(provider.check().await?.contains("it was not"), "it ran without a known id");

    let target = Place { target: Some("Vault/item#field".to_owned()), ..place("other") };
    let again = Place { path: Some("key".to_owned()), ..place("third") };
    let refused = Place { target: Some("../key".to_owned()), ..place("fourth") };
    let answers = provider.fetch(&[place("key"), target, refused, again]).await;
    let answers: Vec<_> = answers.into_iter().map(text).collect();
    assert_eq!(answers[0].as_ref().unwrap(), "value of key");
    assert_eq!(answers[1].as_ref().unwrap(), "value of Vault/item#field");
    says(answers[2].as_ref().unwrap_err(), Fault::Misconfigured, "cannot be asked for");
    assert_eq!(answers[3].as_ref().unwrap(), "value of key");

    let asked = fs::read_to_string(host.root().join("bin/asked"))?;
    let asked: Vec<Value> = asked.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let request =
        json!({"protocolVersion": 1, "provider": "op", "ids": ["Vault/item#field", "key"]});
    assert_eq!(asked, [request]);
    ensure!(provider.check().await?.contains("answered for \"key\""), "it was not asked");
    Ok(())
}

#[tokio::test]
async fn more_ids_than_a_request_may_have_are_asked_in_several() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("resolver", ANSWERS)?;
    let provider = host.provider(&program, json!({}))?;
    let places: Vec<Place> = (0..513).map(|at| place(&format!("key-{at}"))).collect();
    let answers = provider.fetch(&places).await;
    for (place, answer) in places.iter().zip(answers) {
        assert_eq!(text(answer)?, format!("value of {}", place.reference));
    }
    let asked = fs::read_to_string(host.root().join("asked"))?;
    let counts: Vec<usize> = asked
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["ids"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [512, 1]);
    Ok(())
}

#[tokio::test]
async fn a_program_has_the_allowed_environment_and_its_own_folder() -> Result<()> {
    let host = Host::fresh()?;
    // `env` of a shell would show what the shell adds.
    let text = r#"#!/usr/bin/env python3
import json, os, sys
here = {"env": dict(os.environ), "cwd": os.getcwd(), "args": sys.argv[1:],
        "files": [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
                  if int(fd) > 2 and os.path.exists("/proc/self/fd/" + fd)]}
print(json.dumps({"protocolVersion": 1, "values": {"key": json.dumps(here)}}))
"#;
    let program = host.program("bin/shows", text)?;
    let shown: Value = serde_json::from_str(&host.one(&program, json!({})).await?)?;
    // Python adds this itself where it finds no locale.
    let own = |shown: &Value| {
        let mut environment = shown["env"].as_object().unwrap().clone();
        environment.remove("LC_CTYPE");
        Value::Object(environment)
    };
    assert_eq!(own(&shown), json!({}));
    assert_eq!(shown["cwd"], json!(program.parent().unwrap().canonicalize()?));
    assert_eq!(shown["args"], json!([]));
    let inherited = shown["files"].as_array().unwrap();
    assert!(inherited.iter().all(|it| !it.as_str().unwrap().contains("socket:")), "{shown}");

    let settings = json!({
        "args": ["--vault", "a b; $HOME"],
        "env": {"LANG": "C.UTF-8", "SERVICE_URL": "https://op.example"},
        "passEnv": ["SERVICE_TOKEN", "NOT_SET"],
    });
    let shown: Value = serde_json::from_str(&host.one(&program, settings).await?)?;
    let wanted = json!({
        "LANG": "C.UTF-8", "SERVICE_URL": "https://op.example", "SERVICE_TOKEN": "from the broker"
    });
    assert_eq!(own(&shown), wanted);
    assert_eq!(shown["args"], json!(["--vault", "a b; $HOME"]));
    Ok(())
}

#[tokio::test]
async fn a_bare_value_is_taken_where_it_may_be_one() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("bare", &shell("read request; echo '  bare value  '"))?;
    let error = host.fails(&program, json!({})).await?;
    says(&error, Fault::Malformed, "printed no JSON");
    let provider = host.provider(&program, json!({"jsonOnly": false}))?;
    // Each is asked for alone, so that it is the same however many are due.
    for answer in provider.fetch(&[place("a"), place("b"), place("c")]).await {
        assert_eq!(text(answer)?, "bare value");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_fault_of_its_own() -> Result<()> {
    let host = Host::fresh()?;
    for (name, script, fault, part) in [
        ("garbage", "echo canary-of-a-value-5ca1ab1e", Fault::Malformed, "printed no JSON"),
        ("nothing", "exit 0", Fault::Malformed, "printed nothing"),
        ("other", "echo '{\"protocolVersion\":2}'", Fault::Malformed, "protocol version"),
        (
            "fails",
            "echo canary-of-a-value-5ca1ab1e >&2; exit 3",
            Fault::Unreachable,
            "ended with code 3, with 27 bytes of stderr",
        ),
        ("dies", "kill -TERM $$", Fault::Unreachable, "was ended by signal 15"),
        ("huge", "head -c 3000000 /dev/zero", Fault::TooLarge, "more than 1048576 bytes"),
        ("loud", "head -c 3000000 /dev/zero >&2", Fault::TooLarge, "more than 1048576 bytes"),
    ] {
        let program = host.program(name, &shell(script))?;
        says(&host.fails(&program, json!({})).await?, fault, part);
    }
    let values = r#"{"protocolVersion":1,"values":{"other":"canary-of-a-value-5ca1ab1e"}}"#;
    let program = host.program("lacks", &shell(&format!("echo '{values}'")))?;
    let error = host.fails(&program, json!({})).await?;
    says(&error, Fault::Malformed, "neither a value nor an error for \"key\"");
    let large = host.program("large", &shell("head -c 40000 /dev/zero | tr '\\0' a"))?;
    let settings = json!({"jsonOnly": false, "maxOutputBytes": 40_000});
    assert_eq!(host.one(&large, settings).await?.len(), 40_000);
    let settings = json!({"jsonOnly": false, "maxOutputBytes": 39_999});
    says(&host.fails(&large, settings).await?, Fault::TooLarge, "more than 39999 bytes");
    Ok(())
}

/// Until a process is gone, or a zombie of somebody else.
async fn gone(pid_file: &Path) -> Result<()> {
    let pid = eventually("the child's number", async || {
        let text = fs::read_to_string(pid_file).unwrap_or_default();
        Ok(text.strip_suffix('\n').and_then(|pid| pid.parse::<i32>().ok()))
    });
    let pid = Pid::from_raw(pid.await?).context("no number")?;
    eventually("the end of the child", async || {
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let is_zombie = state.is_ok_and(|it| it.contains(") Z "));
        Ok((is_zombie || test_kill_process(pid).is_err()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_started() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("hangs", &shell("sleep 600 & echo $! > child; sleep 600"))?;
    let error = host.fails(&program, json!({"timeoutMs": 500})).await?;
    says(&error, Fault::TimedOut, "did not answer within 500 ms");
    gone(&host.root().join("child")).await?;

    let settings = json!({"timeoutMs": 60_000, "noOutputTimeoutMs": 500});
    let error = host.fails(&program, settings).await?;
    says(&error, Fault::TimedOut, "was silent for 500 ms");
    gone(&host.root().join("child")).await?;

    // One that goes on talking is not silent, and comes to its end all the same.
    let talks = host.program("talks", &shell("while :; do echo x; sleep 0.05; done"))?;
    let settings = json!({"timeoutMs": 1000, "noOutputTimeoutMs": 900});
    let error = host.fails(&talks, settings).await?;
    says(&error, Fault::TimedOut, "did not answer within 1000 ms");
    Ok(())
}

#[tokio::test]
async fn what_a_program_leaves_behind_neither_holds_its_answer_up_nor_stays() -> Result<()> {
    let host = Host::fresh()?;
    let answer = r#"{"protocolVersion":1,"values":{"key":"value"}}"#;
    let script = format!("sleep 600 & echo $! > child; echo '{answer}'");
    let program = host.program("leaves", &shell(&script))?;
    let begun = Instant::now();
    assert_eq!(host.one(&program, json!({"timeoutMs": 120_000})).await?, "value");
    ensure!(begun.elapsed() < Duration::from_secs(60), "the child held it up");
    gone(&host.root().join("child")).await
}

#[tokio::test]
async fn a_fetch_that_is_given_up_leaves_no_program() -> Result<()> {
    let host = Host::fresh()?;
    let script = "echo $$ > leader; sleep 600 & echo $! > child; sleep 600";
    let program = host.program("hangs", &shell(script))?;
    let provider = host.provider(&program, json!({"timeoutMs": 120_000}))?;
    let places = [place("key")];
    let child = host.root().join("child");
    let started = eventually("the program's child", async || {
        Ok(fs::read_to_string(&child).is_ok_and(|it| it.ends_with('\n')).then_some(()))
    });
    tokio::select! {
        _ = provider.fetch(&places) => bail!("it ended"),
        started = started => started?,
    }
    gone(&host.root().join("leader")).await?;
    gone(&child).await
}

#[tokio::test]
async fn one_that_does_not_listen_may_still_answer() -> Result<()> {
    let host = Host::fresh()?;
    let answer = r#"{"protocolVersion":1,"values":{"key":"value"}}"#;
    let script = format!("exec 0<&-; echo '{answer}'");
    let program = host.program("deaf", &shell(&script))?;
    assert_eq!(host.one(&program, json!({})).await?, "value");
    Ok(())
}

#[tokio::test]
async fn only_a_program_that_nobody_else_can_write_is_run() -> Result<()> {
    let host = Host::fresh()?;
    let ran = host.root().join("ran");
    let text = shell(&format!("echo ran > {}; exit 1", ran.display()));
    let bin = host.root().join("bin");
    let program = host.program("bin/resolver", &text)?;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let refused = async |command: &Path, more: Value, part: &str| -> Result<()> {
        says(&host.fails(command, more).await?, Fault::Misconfigured, part);
        Ok(())
    };

    let outside = write_program(&host.folder.path().join("outside/resolver"), &text)?;
    refused(&outside, json!({}), "not below a provider root").await?;
    let up = bin.join("../../outside/resolver");
    refused(&up, json!({}), "not below a provider root").await?;
    refused(&host.root(), json!({}), "not below a provider root").await?;
    refused(&bin, json!({}), "no regular file").await?;
    refused(&bin.join("absent"), json!({}), "has no program").await?;
    refused(&host.root().join("absent/resolver"), json!({}), "has no program").await?;
    refused(&program.join("below"), json!({}), "").await?;

    for wrong in [0o720, 0o702] {
        mode(&program, wrong)?;
        refused(&program, json!({}), "which others may write to").await?;
    }
    mode(&program, 0o600)?;
    refused(&program, json!({}), "nobody may execute it").await?;
    mode(&program, 0o755)?;
    for folder in [&bin, &host.root()] {
        mode(folder, 0o770)?;
        refused(&program, json!({}), "which others may write to").await?;
        mode(folder, 0o755)?;
    }
    let elsewhere = json!({"trustedDirs": [host.root().join("other"), host.root().join("bi")]});
    refused(&program, elsewhere, "in none of its `trustedDirs`").await?;
    let beyond = json!({"trustedDirs": [host.folder.path()]});
    refused(&program, beyond, "not below a provider root").await?;
    assert!(!ran.exists(), "a program was run that may not");

    let error = host.fails(&program, json!({"trustedDirs": [bin]})).await?;
    says(&error, Fault::Unreachable, "ended with code 1");
    assert!(ran.exists());
    Ok(())
}

#[tokio::test]
async fn a_symlink_is_followed_where_it_is_allowed_and_leads_to_a_program_that_is() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("real/resolver", ANSWERS)?;
    let bin = host.root().join("bin");
    fs::create_dir(&bin)?;
    let allowed = || json!({"allowSymlinkCommand": true});
    let link = |name: &str, to: &Path| -> Result<PathBuf> {
        symlink(to, bin.join(name))?;
        Ok(bin.join(name))
    };
    let misconfigured = async |command: &Path, more: Value, part: &str| -> Result<()> {
        says(&host.fails(command, more).await?, Fault::Misconfigured, part);
        Ok(())
    };

    let good = link("good", &program)?;
    misconfigured(&good, json!({}), "which is a symlink").await?;
    assert_eq!(host.one(&good, allowed()).await?, "value of key");
    assert!(host.root().join("real/asked").exists(), "it ran in another folder than its own");
    let trusted = json!({"allowSymlinkCommand": true, "trustedDirs": [bin]});
    misconfigured(&good, trusted, "in none of its `trustedDirs`").await?;

    let outside = write_program(&host.folder.path().join("outside/resolver"), ANSWERS)?;
    misconfigured(&link("out", &outside)?, allowed(), "not below a provider root").await?;
    misconfigured(&link("none", &bin.join("absent"))?, allowed(), "leads nowhere").await?;
    let folder = host.root().join("linked");
    symlink(host.root().join("real"), &folder)?;
    misconfigured(&folder.join("resolver"), allowed(), "a symlink").await?;
    let writable = host.program("real/writable", ANSWERS)?;
    fs::set_permissions(&writable, fs::Permissions::from_mode(0o770))?;
    misconfigured(&link("writable", &writable)?, allowed(), "others may write to").await
}

#[tokio::test]
async fn what_cannot_be_executed_says_why() -> Result<()> {
    let host = Host::fresh()?;
    let program = host.program("lost", "#!/no/such/interpreter\n")?;
    let error = host.fails(&program, json!({})).await?;
    says(&error, Fault::Misconfigured, "its interpreter is not there");
    let program = host.program("text", "echo hello\n")?;
    let error = host.fails(&program, json!({})).await?;
    says(&error, Fault::Misconfigured, "neither a binary nor a script");
    let unset = json!({"passEnv": ["HOME"]});
    says(&host.fails(&program, unset).await?, Fault::Misconfigured, "passes the variable HOME");
    Ok(())
}
