//! A place of a ref's chain, as it is printed.

use crate::custody::SourceView;
use secretref_domain::{ledger::SourceFault, version::Version};
use secretref_proto::{convert::field::to_time, v1};

pub(super) fn shown(view: SourceView) -> v1::SourceStatus {
    v1::SourceStatus {
        secret_ref: view.reference.to_string(),
        provider: view.source.provider.to_string(),
        r#type: view.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        target: view.source.target.unwrap_or_default(),
        path: view.source.path.unwrap_or_default(),
        secret: view.secret.map(|name| name.to_string()).unwrap_or_default(),
        version: view.version.map_or(0, Version::get),
        fault: view.fault.map(fault),
        taken: view.taken,
        since_time: view.since.map(to_time),
        source_version: view.origin.map(|origin| origin.version).unwrap_or_default(),
    }
}

fn fault(fault: SourceFault) -> v1::SourceFault {
    v1::SourceFault {
        fault: fault.failing.fault.to_string(),
        message: fault.failing.message,
        fix: fault.failing.fix,
        since_time: Some(to_time(fault.since)),
    }
}
