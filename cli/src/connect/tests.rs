use super::*;
use std::cell::Cell;

#[tokio::test]
async fn a_broken_way_is_tried_once_more_and_only_once() {
    let calls = Cell::new(0);
    let answer = ask_twice(|| {
        calls.set(calls.get() + 1);
        let first = calls.get() == 1;
        async move { if first { Err(Status::unavailable("gone")) } else { Ok(Response::new(7)) } }
    });
    assert_eq!(answer.await.unwrap(), 7);
    assert_eq!(calls.get(), 2);

    calls.set(0);
    let answer: Result<(), Failure> = ask_twice(|| {
        calls.set(calls.get() + 1);
        async { Err(Status::unavailable("gone")) }
    })
    .await;
    assert_eq!(answer.unwrap_err().exit, Exit::Unreachable);
    assert_eq!(calls.get(), 2);
}

#[tokio::test]
async fn an_answer_is_never_asked_for_again() {
    let calls = Cell::new(0);
    let answer: Result<(), Failure> = ask_twice(|| {
        calls.set(calls.get() + 1);
        async { Err(Status::aborted("the current version is 8")) }
    })
    .await;
    assert_eq!(answer.unwrap_err().exit, Exit::Refused);
    assert_eq!(calls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_is_given_up() {
    let failure = ask(std::future::pending::<Result<Response<()>, Status>>()).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.to_string().contains("not known"), "{failure}");
}

#[tokio::test]
async fn pages_are_read_to_the_last() {
    let all = pages(|token: String| async move {
        Ok(match token.as_str() {
            "" => (vec![1, 2], "x".to_owned()),
            _ => (vec![3], String::new()),
        })
    });
    assert_eq!(all.await.unwrap(), [1, 2, 3]);
}

#[test]
fn what_is_no_admin_certificate_is_named() {
    assert!(certificate::trust_domain("hello").unwrap_err().contains("not PEM"));
}
