use super::*;

async fn shell(folder: &Path, script: &str) -> Process {
    let start = Start {
        name: "shell",
        program: Path::new("/bin/sh"),
        keeper: None,
        folder,
        input: "hello\n",
    };
    start.spawn(&["-c", script]).await.unwrap()
}

fn is_running(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn it_reads_its_input_and_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(folder.path(), "read x; echo \"said $x in $HOME\"; exec cat").await;
    let prefix = |line: &str| line.strip_prefix("said ").map(str::to_owned);
    let said = process.line("it", prefix).await.unwrap();
    assert_eq!(said, format!("hello in {}", folder.path().display()));
    process.success().await.unwrap();
}

#[tokio::test]
async fn an_early_end_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(folder.path(), "echo so it goes; exit 3").await;
    let failure = process.line("ready", |_| None::<()>).await.unwrap_err();
    assert!(failure.to_string().contains("shell ended before it said ready"), "{failure}");
    assert_eq!(process.last_words(), ["shell: so it goes"]);
    assert!(process.success().await.is_err());
}

#[tokio::test]
async fn it_ends_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell(folder.path(), "echo up; exec sleep 600").await;
    process.line("up", |line| (line == "up").then_some(())).await.unwrap();
    let pid = process.id().unwrap();
    assert!(is_running(pid));
    process.end().await;
    assert!(!is_running(pid));
}
