//! What an apply did, on the wire.

use crate::custody::{Applied, AppliedChange, Unresolved};
use secretref_domain::manifest::Difference;
use secretref_proto::v1;

/// `committed` is the revision at which the answer was given.
pub(super) fn of(
    applied: Applied,
    validate_only: bool,
    committed: i64,
) -> v1::ApplyManifestResponse {
    let changed = applied.changes.iter().any(|change| change.action != "unchanged");
    let revision = if changed && !validate_only { committed } else { 0 };
    v1::ApplyManifestResponse {
        changes: applied.changes.into_iter().map(change).collect(),
        unresolved: applied.unresolved.into_iter().map(unresolved).collect(),
        warnings: applied.warnings,
        environment: applied.environment.to_string(),
        revision,
    }
}

fn change(change: AppliedChange) -> v1::ManifestChange {
    v1::ManifestChange {
        kind: change.kind,
        name: change.name,
        action: change.action,
        differences: change.differences.into_iter().map(difference).collect(),
        more_differences: i32::try_from(change.more_differences).unwrap_or(i32::MAX),
    }
}

fn difference(difference: Difference) -> v1::ManifestDifference {
    let Difference { path, before, after } = difference;
    v1::ManifestDifference { path, before, after }
}

pub(in crate::grpc::admin) fn unresolved(found: Unresolved) -> v1::UnresolvedRef {
    v1::UnresolvedRef {
        secret_ref: found.reference.to_string(),
        agents: found.agents.iter().map(ToString::to_string).collect(),
        reason: found.reason,
        fix: found.fix,
        required: found.required,
        channels: found.channels.iter().map(ToString::to_string).collect(),
    }
}
