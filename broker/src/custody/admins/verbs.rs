//! What is done with administrators. Roles are for life, so nobody can give himself one; and
//! whoever makes an administrator has that on record.

use super::{Custody, CustodyError};
use crate::{
    authority::Issued,
    custody::plan::{Committed, Effects, Ground, Plan, Planned, RequestKey, event},
};
use secretref_domain::{
    audit::{Decision, Event},
    caller::Caller,
    change::{CertificateSlot, Change, Serial},
    clock::Timestamp,
    id::{AdminId, Digest},
    ledger::{Admin, Ledger},
    limit::{ADMIN_LIFE_SECONDS_MAX, ADMIN_LIFE_SECONDS_MIN, ADMINS_MAX, REASON_BYTES_MAX},
    name::AdminName,
    policy::{Action, Role, Roles},
};
use secretref_identity::request::PublicKey;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who is to be an administrator.
pub struct NewAdmin {
    /// Name.
    pub name: AdminName,
    /// What he may do: one role at least.
    pub roles: Roles,
    /// Whether he may be writer and auditor.
    pub allow_both: bool,
    /// His key.
    pub key: PublicKey,
    /// How long his certificate is valid, in seconds.
    pub life_seconds: i64,
}

/// An administrator as he is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminView {
    /// Identity.
    pub id: AdminId,
    /// Name.
    pub name: String,
    /// What he may do.
    pub roles: Roles,
    /// His certificate.
    pub serial: Serial,
    /// When it ends.
    pub not_after: Timestamp,
    /// When he was made.
    pub created_at: Timestamp,
}

/// An administrator with his new certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CertifiedAdmin {
    /// Who.
    pub admin: AdminView,
    /// Leaf first, then its intermediate, in DER.
    pub chain: Vec<Vec<u8>>,
    /// When the leaf starts to be valid, in seconds since the epoch.
    pub not_before: i64,
    /// When the leaf ends, in seconds since the epoch.
    pub not_after: i64,
}

impl Custody {
    /// Makes an administrator.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn create_admin(
        &self,
        caller: &Caller,
        new: NewAdmin,
        request: Option<RequestKey>,
    ) -> Result<Committed<CertifiedAdmin>, CustodyError> {
        let mut event = admin_event(caller, "admin.create", new.name.as_str());
        event.reason = format!("roles {}", words(&new.roles));
        event.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AdminWrite, || event.clone()).await?;
        check_roles(&new)?;
        check_life(new.life_seconds)?;
        let custody = self.clone();
        let plan: Plan<CertifiedAdmin> = Box::new(move |ground| {
            let NewAdmin { name, roles, key, life_seconds, .. } = new;
            if ground.ledger.admin_named(name.as_str()).is_some() {
                let name = name.to_string();
                return Err(CustodyError::Exists { kind: "administrator", name });
            }
            if ground.ledger.admin_count() >= ADMINS_MAX {
                let what = "administrators".to_owned();
                return Err(CustodyError::Limit { what, limit: ADMINS_MAX });
            }
            let id = AdminId(Uuid::now_v7());
            let made = (id, name.as_str(), roles, ground.at);
            custody.certify(ground, made, &key, life_seconds, event)
        });
        self.writer.change(request, plan).await
    }

    /// Another certificate for an administrator: for oneself, or for another as an operator. The
    /// one before it is refused from then on, but for repeating this with the same key.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn renew_admin(
        &self,
        caller: &Caller,
        serial: &Serial,
        name: Option<AdminName>,
        key: PublicKey,
        life_seconds: i64,
    ) -> Result<CertifiedAdmin, CustodyError> {
        let own = match caller {
            Caller::Admin { id, name: own, .. } => {
                name.as_ref().is_none_or(|name| name.as_str() == own).then_some(*id)
            }
            _ => None,
        };
        let named = match (&name, caller) {
            (Some(name), _) => name.to_string(),
            (None, Caller::Admin { name, .. }) => name.clone(),
            (None, _) => String::new(),
        };
        let event = admin_event(caller, "admin.renew", &named);
        let action = if own.is_some() { Action::AdminRenew } else { Action::AdminWrite };
        self.permit(caller, action, || event.clone()).await?;
        self.still_stands(caller, serial, own.is_some().then_some(&key), &event).await?;
        check_life(life_seconds)?;
        let (custody, serial) = (self.clone(), serial.clone());
        let plan: Plan<CertifiedAdmin> = Box::new(move |ground| {
            let (id, found) = match own {
                Some(id) => {
                    let found = ground.ledger.admin(id);
                    let found = found.filter(|it| may_renew(it, &serial, &key, ground.at));
                    (id, found.ok_or_else(superseded)?)
                }
                None => find(ground.ledger, &named)?,
            };
            let made = (id, named.as_str(), found.roles.clone(), found.created_at);
            custody.certify(ground, made, &key, life_seconds, event)
        });
        Ok(self.writer.change(None, plan).await?.answer)
    }

    /// Takes an administrator's certificate away for good.
    ///
    /// # Errors
    /// [`CustodyError::Precondition`] where no operator would be left, or any other; nothing is
    /// changed then.
    pub async fn revoke_admin(
        &self,
        caller: &Caller,
        name: AdminName,
        reason: String,
        request: Option<RequestKey>,
    ) -> Result<Committed<AdminView>, CustodyError> {
        if reason.len() > REASON_BYTES_MAX {
            let problem = format!("it is longer than {REASON_BYTES_MAX} bytes");
            return Err(CustodyError::invalid("reason", problem));
        }
        let mut event = admin_event(caller, "admin.revoke", name.as_str());
        event.reason = reason;
        event.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AdminWrite, || event.clone()).await?;
        let plan: Plan<AdminView> = Box::new(move |ground| {
            let (id, found) = find(ground.ledger, name.as_str())?;
            let operator = found.roles.contains(&Role::Operator);
            if operator && !ground.ledger.has_other_operator(id, ground.at) {
                return Err(CustodyError::Precondition {
                    code: "LAST_OPERATOR",
                    message: format!("{name:?} is the last operator whose certificate is valid"),
                    fix: "secretref admin create NAME --role operator, and then again".to_owned(),
                });
            }
            let answer = view(id, found);
            event.object_id = id.0;
            let changes = vec![Change::AdminRevoked { admin: id }];
            let effects = Effects { changes, events: vec![event], ..Effects::default() };
            Ok(Planned { effects, answer })
        });
        let committed = self.writer.change(request, plan).await?;
        self.everywhere(committed.revision).await;
        Ok(committed)
    }

    /// One administrator.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], or a denial.
    pub async fn show_admin(
        &self,
        caller: &Caller,
        name: &AdminName,
    ) -> Result<AdminView, CustodyError> {
        let event = || admin_event(caller, "admin.show", name.as_str());
        self.permit(caller, Action::MetadataRead, event).await?;
        let ledger = self.shared.ledger();
        find(&ledger, name.as_str()).map(|(id, admin)| view(id, admin))
    }

    /// At most `limit` administrators after a name, ordered by name, and whether there are more.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_admins(
        &self,
        caller: &Caller,
        after: Option<&AdminName>,
        limit: usize,
    ) -> Result<(Vec<AdminView>, bool), CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "admin.list")).await?;
        let ledger = self.shared.ledger();
        let found = ledger.admins_after(after.map(AdminName::as_str));
        let page = found.iter().take(limit).map(|(id, admin)| view(*id, admin)).collect();
        Ok((page, found.len() > limit))
    }

    /// Whoever asks, as an administrator, and the active environment.
    ///
    /// # Errors
    /// A denial.
    pub async fn show_broker(
        &self,
        caller: &Caller,
    ) -> Result<(Option<AdminView>, String), CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "broker.show")).await?;
        let ledger = self.shared.ledger();
        let own = match caller {
            Caller::Admin { id, .. } => ledger.admin(*id).map(|admin| view(*id, admin)),
            _ => None,
        };
        Ok((own, ledger.active_environment().to_string()))
    }

    /// A superseded certificate that wants more than to repeat its renewal is on record: somebody
    /// has it who has not the newer one.
    async fn still_stands(
        &self,
        caller: &Caller,
        serial: &Serial,
        own_key: Option<&PublicKey>,
        event: &Event,
    ) -> Result<(), CustodyError> {
        let Caller::Admin { id, .. } = caller else { return Ok(()) };
        let now = self.now();
        let stands = self.shared.ledger().admin(*id).is_some_and(|admin| match own_key {
            Some(key) => may_renew(admin, serial, key, now),
            None => admin.holds(serial, now),
        });
        if stands {
            return Ok(());
        }
        let mut event = event.clone();
        event.decision = Decision::Denied;
        event.reason = format!("ALARM: superseded certificate {}", serial.0);
        self.writer.note(vec![event]).await?;
        Err(superseded())
    }

    fn certify(
        &self,
        ground: &Ground<'_>,
        (id, name, roles, created_at): (AdminId, &str, Roles, Timestamp),
        key: &PublicKey,
        life_seconds: i64,
        mut event: Event,
    ) -> Result<Planned<CertifiedAdmin>, CustodyError> {
        let seconds = ground.at.as_micros().div_euclid(1_000_000);
        let issued = self.authority().issue_admin(key, id.0, seconds, life_seconds)?;
        let certificate = slot(&issued, key);
        let admin = AdminView {
            id,
            name: name.to_owned(),
            roles: roles.clone(),
            serial: certificate.serial.clone(),
            not_after: certificate.not_after,
            created_at,
        };
        event.object_id = id.0;
        let change = Change::AdminSet { admin: id, name: name.to_owned(), roles, certificate };
        let effects = Effects { changes: vec![change], events: vec![event], ..Effects::default() };
        let chain = issued.chain.iter().map(|certificate| certificate.to_vec()).collect();
        let (not_before, not_after) = (issued.not_before, issued.not_after);
        Ok(Planned { effects, answer: CertifiedAdmin { admin, chain, not_before, not_after } })
    }
}

/// What the ledger keeps of a certificate that was issued.
pub(super) fn slot(issued: &Issued, key: &PublicKey) -> CertificateSlot {
    CertificateSlot {
        serial: Serial(issued.serial.to_string()),
        key: Digest(key.spki_sha256()),
        not_after: Timestamp::from_micros(issued.not_after.saturating_mul(1_000_000)),
    }
}

/// With his certificate anybody may renew; with the one before it only for the key that is
/// certified by now, whose holder did not get the answer.
fn may_renew(admin: &Admin, serial: &Serial, key: &PublicKey, at: Timestamp) -> bool {
    let repeats = admin.held(serial, at) && admin.certificate.key == Digest(key.spki_sha256());
    admin.holds(serial, at) || repeats
}

fn check_roles(new: &NewAdmin) -> Result<(), CustodyError> {
    let has = |role| new.roles.contains(&role);
    if new.roles.is_empty() {
        let problem = "none is named; there are writer, reader, operator and auditor";
        return Err(CustodyError::invalid("roles", problem));
    }
    if has(Role::Writer) && has(Role::Auditor) && !new.allow_both {
        let problem = "writer and auditor together would look over what they did themselves; \
                       make two administrators, or say allow_both";
        return Err(CustodyError::invalid("roles", problem));
    }
    Ok(())
}

fn check_life(seconds: i64) -> Result<(), CustodyError> {
    if (ADMIN_LIFE_SECONDS_MIN..=ADMIN_LIFE_SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    let problem = format!(
        "it is {seconds}; an administrator's certificate lives {ADMIN_LIFE_SECONDS_MIN} to \
         {ADMIN_LIFE_SECONDS_MAX} s"
    );
    Err(CustodyError::invalid("lifetime_seconds", problem))
}

fn find<'a>(ledger: &'a Ledger, name: &str) -> Result<(AdminId, &'a Admin), CustodyError> {
    ledger.admin_named(name).ok_or_else(|| CustodyError::NotFound {
        kind: "administrator",
        name: name.to_owned(),
        fix: "secretref admin list".to_owned(),
    })
}

fn view(id: AdminId, admin: &Admin) -> AdminView {
    AdminView {
        id,
        name: admin.name.clone(),
        roles: admin.roles.clone(),
        serial: admin.certificate.serial.clone(),
        not_after: admin.certificate.not_after,
        created_at: admin.created_at,
    }
}

pub(super) fn superseded() -> CustodyError {
    CustodyError::NotAdmitted {
        code: "CERTIFICATE_UNKNOWN",
        message: "the certificate stands for nobody here: superseded, revoked or removed".into(),
    }
}

fn admin_event(caller: &Caller, action: &'static str, name: &str) -> Event {
    Event { object_kind: "admin", object: name.to_owned(), ..event(caller, action) }
}

fn words(roles: &Roles) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}
