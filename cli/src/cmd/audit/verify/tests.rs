use super::*;
use secretref_domain::id::BrokerId;

async fn code_of(read: impl Future<Output = Result<Verified, Stopped>>) -> u8 {
    match conclude(caught(read).await, Printer::plain()) {
        Ok(exit) => exit as u8,
        Err(failure) => failure.exit as u8,
    }
}

#[tokio::test]
async fn a_verifier_that_falls_is_no_success() {
    assert_eq!(code_of(async { panic!("the verifier falls") }).await, 20);
    let late = async {
        tokio::task::yield_now().await;
        panic!("the verifier falls later")
    };
    assert_eq!(code_of(late).await, 20);
}

#[tokio::test]
async fn no_failure_is_a_success() {
    for exit in [Exit::Done, Exit::Unverified] {
        assert_eq!(code_of(async { Err(Failure::told(exit).into()) }).await, 20, "{exit:?}");
    }
    for exit in [Exit::Refused, Exit::Usage, Exit::Unreachable] {
        let code = code_of(async { Err(Failure::told(exit).into()) }).await;
        assert_eq!(code, exit as u8, "{exit:?}");
    }
}

#[tokio::test]
async fn each_verdict_has_its_code() {
    for verdict in [Verdict::Altered, Verdict::Misplaced, Verdict::Truncated, Verdict::Forked] {
        let spot = Some(Spot { lane: BrokerId(uuid::Uuid::nil()), first: 3, last: 4 });
        let finding = Finding { verdict, spot, what: "so".to_owned() };
        assert_eq!(code_of(async { Err(finding.into()) }).await, verdict.exit_code());
    }
}
