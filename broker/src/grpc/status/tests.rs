use super::*;
use secretref_domain::{id::BrokerId, policy::Denied};
use uuid::Uuid;

/// One of each. The match has no arm for the rest, so that a new error cannot be forgotten here.
fn one_of_each() -> Vec<(CustodyError, Code, &'static str, Option<&'static str>)> {
    let store = |error: StoreError| CustodyError::Store(error);
    let errors = vec![
        CustodyError::Denied(Denied { actor: "admin:ada".into(), needs: "the reader role" }),
        CustodyError::NotAdmitted { code: "AGENT_REVOKED", message: "revoked".into() },
        CustodyError::NotAdmitted { code: "TOKEN_REFUSED", message: "not good".into() },
        CustodyError::invalid("name", "it is empty"),
        CustodyError::NotFound { kind: "secret", name: "a".into(), fix: "secretref list".into() },
        CustodyError::Exists { kind: "secret", name: "a".into() },
        CustodyError::VersionMismatch { name: "a".into(), expected: 1, actual: 2 },
        CustodyError::Precondition {
            code: "SECRET_DELETED",
            message: "deleted".into(),
            fix: "secretref undelete a".into(),
        },
        CustodyError::Limit { what: "secrets".into(), limit: 10_000 },
        CustodyError::RequestReused(Uuid::nil()),
        CustodyError::RowRefused { name: "a".into(), version: "v1".into(), why: "edited".into() },
        store(StoreError::Unavailable { why: "it is full".into(), unknown: false }),
        store(StoreError::Unavailable { why: "no answer".into(), unknown: true }),
        store(StoreError::Damaged("cut".into())),
        store(StoreError::Refused("a rule".into())),
        store(StoreError::LaneTaken(BrokerId(Uuid::nil()))),
        CustodyError::Behind,
        CustodyError::Stopping,
        CustodyError::Internal("a detail of the inside".into()),
    ];
    let expected = |error: &CustodyError| match error {
        CustodyError::Denied(_) => (Code::PermissionDenied, "ROLE_MISSING", None),
        CustodyError::NotAdmitted { code: "TOKEN_REFUSED", .. } => {
            (Code::Unauthenticated, "TOKEN_REFUSED", Some("secretref agent token"))
        }
        CustodyError::NotAdmitted { code, .. } => (Code::PermissionDenied, *code, None),
        CustodyError::Invalid { .. } => (Code::InvalidArgument, "INVALID_FIELD", None),
        CustodyError::NotFound { .. } => (Code::NotFound, "NOT_FOUND", Some("secretref list")),
        CustodyError::Exists { .. } => (Code::AlreadyExists, "ALREADY_EXISTS", None),
        CustodyError::VersionMismatch { .. } => {
            (Code::Aborted, "EXPECTED_VERSION_MISMATCH", Some("secretref show a"))
        }
        CustodyError::Precondition { code, .. } => {
            (Code::FailedPrecondition, *code, Some("secretref undelete a"))
        }
        CustodyError::Limit { .. } => (Code::ResourceExhausted, "LIMIT_REACHED", None),
        CustodyError::RequestReused(_) => (Code::AlreadyExists, "REQUEST_ID_REUSED", None),
        CustodyError::RowRefused { .. } => (Code::DataLoss, "ROW_REFUSED", None),
        CustodyError::Store(StoreError::Unavailable { .. }) => {
            (Code::Unavailable, "STORE_UNAVAILABLE", None)
        }
        CustodyError::Store(_) => (Code::DataLoss, "STORE_DAMAGED", None),
        CustodyError::Behind => (Code::Unavailable, "BROKER_BEHIND", None),
        CustodyError::Stopping => (Code::Unavailable, "STOPPING", None),
        CustodyError::Internal(_) => (Code::Internal, "INTERNAL", None),
    };
    let with = |error: CustodyError| {
        let (code, reason, fix) = expected(&error);
        (error, code, reason, fix)
    };
    errors.into_iter().map(with).collect()
}

#[test]
fn every_error_has_its_code_its_reason_and_its_fix() {
    for (error, code, reason, fix) in one_of_each() {
        let said = error.to_string();
        let status = of(error);
        assert_eq!(status.code(), code, "{said}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), (ERROR_DOMAIN, reason), "{said}");
        let found = info.metadata.get("fix").map(String::as_str);
        assert_eq!(found.is_some(), fix.is_some(), "{said}: {found:?}");
        assert!(found.unwrap_or_default().starts_with(fix.unwrap_or_default()), "{said}");
        assert!(info.metadata.values().all(|value| !value.is_empty()), "{said}: {info:?}");
        assert!(!status.message().is_empty(), "{said}");
    }
}

#[test]
fn the_inside_of_the_broker_stays_inside() {
    let status = of(CustodyError::Internal("a detail of the inside".into()));
    assert!(!format!("{status:?}").contains("inside"), "{status:?}");
}

#[test]
fn a_bad_field_is_named_for_programs_and_for_people() {
    let status = of(CustodyError::invalid("labels[\"k\"]", "it is too long"));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, "labels[\"k\"]");
    assert_eq!(violations[0].description, "it is too long");
    assert_eq!(status.message(), "labels[\"k\"]: it is too long");
    let limit = of(CustodyError::Limit { what: "secrets".into(), limit: 10_000 });
    assert_eq!(limit.get_details_error_info().unwrap().metadata["limit"], "10000");
    assert!(limit.message().contains("10000"), "{limit}");
}
