//! Who asks: from the certificate of the connection, and from nothing else; and no further than the
//! rule of the method goes.

use super::{listener::Connection, rule::Rule, status};
use crate::custody::{Custody, CustodyError};
use secretref_domain::{caller::Caller, change::Serial, policy::confined};
use secretref_identity::peer::{Peer, Standing};
use tonic::{Extensions, Request, Status};

/// Who asks, and the serial of the certificate that says so.
pub(super) struct Presented {
    pub(super) caller: Caller,
    pub(super) serial: Option<Serial>,
    pub(super) not_after: Option<i64>,
}

/// Whoever is at the other end, confined to what the method is an act of. An expired certificate
/// gets in only where `recovering`, and so does an administrator's that was just superseded.
pub(super) fn of<T>(
    custody: &Custody,
    request: &Request<T>,
    recovering: bool,
) -> Result<Presented, Status> {
    let rule = request.extensions().get::<Rule>();
    let rule = rule.ok_or_else(|| Status::internal("a method that did not come by the gate"))?;
    let presented = presented(custody, request.extensions(), recovering)?;
    Ok(Presented { caller: confined(presented.caller, rule.action), ..presented })
}

/// An administrator; anybody else is let through as who he is, and refused by policy.
pub(super) fn admin<T>(custody: &Custody, request: &Request<T>) -> Result<Caller, Status> {
    of(custody, request, false).map(|presented| presented.caller)
}

/// Whether somebody is at the other end whose certificate stands for him now.
pub(super) fn is_known(custody: &Custody, extensions: &Extensions) -> Result<(), Status> {
    match presented(custody, extensions, false)?.caller {
        Caller::Nobody { .. } => Err(status::unauthenticated("this needs a certificate")),
        _ => Ok(()),
    }
}

/// Whether a certificate was shown that this broker does not know, and another may have issued.
pub(super) fn is_news(custody: &Custody, extensions: &Extensions) -> bool {
    let peer = extensions.get::<Connection>().and_then(|conn| conn.peer.as_ref());
    peer.is_some_and(|peer| !custody.knows(peer.subject, &Serial(peer.serial.to_string())))
}

pub(super) fn connection<T>(request: &Request<T>) -> Result<&Connection, Status> {
    connection_of(request.extensions())
}

fn connection_of(extensions: &Extensions) -> Result<&Connection, Status> {
    let found = extensions.get::<Connection>();
    found.ok_or_else(|| Status::internal("a connection without a peer"))
}

fn presented(
    custody: &Custody,
    extensions: &Extensions,
    recovering: bool,
) -> Result<Presented, Status> {
    let conn = connection_of(extensions)?;
    let Some(peer) = &conn.peer else {
        let caller = Caller::Nobody { peer: Some(conn.address) };
        return Ok(Presented { caller, serial: None, not_after: None });
    };
    // By the time of the request: a connection may outlive its certificate.
    let ended = custody.now().as_micros().div_euclid(1_000_000) > peer.not_after;
    if (ended || peer.standing == Standing::Expired) && !recovering {
        let why = "the certificate ended; renew it first (EnrolmentService.Renew)";
        return Err(status::unauthenticated(why));
    }
    let caller = known(custody, peer, conn, recovering).map_err(status::of)?;
    let serial = Some(Serial(peer.serial.to_string()));
    Ok(Presented { caller, serial, not_after: Some(peer.not_after) })
}

fn known(
    custody: &Custody,
    peer: &Peer,
    conn: &Connection,
    recovering: bool,
) -> Result<Caller, CustodyError> {
    let serial = Serial(peer.serial.to_string());
    custody.caller(peer.subject, &serial, conn.address, recovering)
}
