use super::*;
use tonic_types::ErrorDetails;

#[test]
fn a_broker_that_has_too_much_to_do_is_given_the_time_it_asks_for() {
    let hour = Duration::from_secs(3600);
    let details = ErrorDetails::with_retry_info(Some(hour));
    let status = Status::with_error_details(Code::ResourceExhausted, "too much", details);
    assert_eq!(End::from(status).cause(), Cause::Overloaded(hour));
    let bare = Status::resource_exhausted("too much");
    assert_eq!(End::from(bare).cause(), Cause::Overloaded(Duration::ZERO));
}

#[test]
fn a_broker_that_stops_is_found_again_when_it_said() {
    let second = Duration::from_secs(1);
    assert_eq!(End::Stopping(second).cause(), Cause::Announced(second));
    assert!(!End::Stopping(second).wants_resync());
}
