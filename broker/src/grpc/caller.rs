//! Who asks: from the certificate of the connection, and from nothing else.

use super::{listener::Connection, status};
use crate::custody::{Custody, CustodyError};
use secretref_domain::{caller::Caller, change::Serial};
use secretref_identity::peer::{Peer, Standing};
use tonic::{Request, Status};

/// Who asks, and the serial of the certificate that says so.
pub(super) struct Presented {
    pub(super) caller: Caller,
    pub(super) serial: Option<Serial>,
    pub(super) not_after: Option<i64>,
}

/// Whoever is at the other end. An expired certificate gets in only where `recovering`.
pub(super) fn of<T>(
    custody: &Custody,
    request: &Request<T>,
    recovering: bool,
) -> Result<Presented, Status> {
    let conn = connection(request)?;
    let Some(peer) = &conn.peer else {
        let caller = Caller::Nobody { peer: Some(conn.address) };
        return Ok(Presented { caller, serial: None, not_after: None });
    };
    if peer.standing == Standing::Expired && !recovering {
        let why = "the certificate ended; renew it first (EnrolmentService.Renew)";
        return Err(status::unauthenticated(why));
    }
    let caller = known(custody, peer, conn).map_err(status::of)?;
    let serial = Some(Serial(peer.serial.to_string()));
    Ok(Presented { caller, serial, not_after: Some(peer.not_after) })
}

/// An administrator; anybody else is let through as who he is, and refused by policy.
pub(super) fn admin<T>(custody: &Custody, request: &Request<T>) -> Result<Caller, Status> {
    of(custody, request, false).map(|presented| presented.caller)
}

pub(super) fn connection<T>(request: &Request<T>) -> Result<&Connection, Status> {
    request
        .extensions()
        .get::<Connection>()
        .ok_or_else(|| Status::internal("a connection without a peer"))
}

fn known(custody: &Custody, peer: &Peer, conn: &Connection) -> Result<Caller, CustodyError> {
    let serial = Serial(peer.serial.to_string());
    custody.caller(peer.subject, &serial, conn.address)
}
