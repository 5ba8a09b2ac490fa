use super::*;
use crate::store::StoreError;

async fn code_of(read: impl Future<Output = anyhow::Result<Verified>>) -> u8 {
    let error = to_its_end(read).await.unwrap_err();
    error.downcast_ref::<NotVerified>().unwrap().exit_code
}

#[tokio::test]
async fn what_did_not_come_to_its_end_is_no_success() {
    assert_eq!(code_of(async { panic!("the verifier falls") }).await, 20);
    let lost = StoreError::Unavailable { why: "gone".to_owned(), unknown: false };
    assert_eq!(code_of(async { Err(lost.into()) }).await, 20);
    for exit_code in [10, 11, 12, 13] {
        let finding = NotVerified { exit_code, what: String::new() };
        assert_eq!(code_of(async { Err(finding.into()) }).await, exit_code);
    }
}
