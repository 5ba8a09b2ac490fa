//! `AdminsService`.

use super::{refuse, request_key};
use crate::{
    custody::{AdminView, CertifiedAdmin, Custody, NewAdmin},
    grpc::caller,
};
use secretref_domain::{
    clock::Timestamp,
    limit::ADMIN_LIFE_SECONDS_MAX,
    name::AdminName,
    policy::{Role, Roles},
};
use secretref_identity::request::{PublicKey, parse_request};
use secretref_proto::{
    convert::field::{self, FieldError, to_time},
    v1,
};
use tonic::{Request, Response, Status};

pub(crate) struct Admins {
    custody: Custody,
}

impl Admins {
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

#[tonic::async_trait]
impl v1::admins_service_server::AdminsService for Admins {
    async fn create_admin(
        &self,
        request: Request<v1::CreateAdminRequest>,
    ) -> Result<Response<v1::CreateAdminResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let id = &request.request_id;
        let key = request_key(&self.custody, &caller, id, "create-admin", &request)?;
        let new = NewAdmin {
            name: field::name("name", &request.name).map_err(refuse::field)?,
            roles: roles(&request.roles).map_err(refuse::field)?,
            allow_both: request.allow_both,
            key: public_key(&request.certificate_request_der)?,
            life_seconds: life(request.lifetime_seconds),
        };
        let done = self.custody.create_admin(&caller, new, key).await.map_err(refuse::of)?;
        let (admin, certificate) = self.certified(done.answer)?;
        Ok(Response::new(v1::CreateAdminResponse { admin, certificate }))
    }

    async fn get_admin(
        &self,
        request: Request<v1::GetAdminRequest>,
    ) -> Result<Response<v1::GetAdminResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let name = field::name("name", &request.into_inner().name).map_err(refuse::field)?;
        let found = self.custody.show_admin(&caller, &name).await.map_err(refuse::of)?;
        Ok(Response::new(v1::GetAdminResponse { admin: Some(to_admin(found)) }))
    }

    async fn list_admins(
        &self,
        request: Request<v1::ListAdminsRequest>,
    ) -> Result<Response<v1::ListAdminsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let after: Option<AdminName> =
            field::optional("page_token", &request.page_token).map_err(refuse::field)?;
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let listed = self.custody.list_admins(&caller, after.as_ref(), limit).await;
        let (found, more) = listed.map_err(refuse::of)?;
        let last = found.last().filter(|_| more).map(|admin| admin.name.clone());
        let next_page_token = last.unwrap_or_default();
        let admins = found.into_iter().map(to_admin).collect();
        Ok(Response::new(v1::ListAdminsResponse { admins, next_page_token }))
    }

    async fn renew_admin(
        &self,
        request: Request<v1::RenewAdminRequest>,
    ) -> Result<Response<v1::RenewAdminResponse>, Status> {
        let presented = caller::of(&self.custody, &request, true)?;
        let why = "renewal needs the administrator's certificate";
        let serial = presented.serial.ok_or_else(|| refuse::unauthenticated(why))?;
        let request = request.into_inner();
        let name = field::optional("name", &request.name).map_err(refuse::field)?;
        let key = public_key(&request.certificate_request_der)?;
        let life = life(request.lifetime_seconds);
        let done = self.custody.renew_admin(&presented.caller, &serial, name, key, life).await;
        let (admin, certificate) = self.certified(done.map_err(refuse::of)?)?;
        Ok(Response::new(v1::RenewAdminResponse { admin, certificate }))
    }

    async fn revoke_admin(
        &self,
        request: Request<v1::RevokeAdminRequest>,
    ) -> Result<Response<v1::RevokeAdminResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let id = &request.request_id;
        let key = request_key(&self.custody, &caller, id, "revoke-admin", &request)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let done = self.custody.revoke_admin(&caller, name, request.reason, key).await;
        let admin = Some(to_admin(done.map_err(refuse::of)?.answer));
        Ok(Response::new(v1::RevokeAdminResponse { admin }))
    }

    async fn get_broker(
        &self,
        request: Request<v1::GetBrokerRequest>,
    ) -> Result<Response<v1::GetBrokerResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let shown = self.custody.show_broker(&caller).await;
        let (own, active_environment) = shown.map_err(refuse::of)?;
        Ok(Response::new(v1::GetBrokerResponse {
            broker_id: self.custody.broker().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust_domain: self.custody.authority().domain().to_string(),
            time: Some(to_time(self.custody.now())),
            stale: self.custody.stale(),
            active_environment,
            caller: own.map(to_admin),
        }))
    }
}

impl Admins {
    fn certified(
        &self,
        done: CertifiedAdmin,
    ) -> Result<(Option<v1::Admin>, Option<v1::AdminCertificate>), Status> {
        let seconds = |at: i64| Some(to_time(Timestamp::from_micros(at.saturating_mul(1_000_000))));
        let bundle = self.custody.trust_bundle().map_err(refuse::of)?;
        let certificate = v1::AdminCertificate {
            chain_der: done.chain,
            trust_bundle: Some(v1::TrustBundle {
                trust_domain: bundle.domain().as_str().to_owned(),
                roots_der: bundle.roots().iter().map(|root| root.to_vec()).collect(),
            }),
            not_before: seconds(done.not_before),
            not_after: seconds(done.not_after),
        };
        Ok((Some(to_admin(done.admin)), Some(certificate)))
    }
}

fn public_key(der: &[u8]) -> Result<PublicKey, Status> {
    let parsed = parse_request(der);
    parsed.map_err(|error| refuse::invalid("certificate_request_der".into(), error.to_string()))
}

fn life(seconds: i64) -> i64 {
    if seconds == 0 { ADMIN_LIFE_SECONDS_MAX } else { seconds }
}

fn roles(given: &[i32]) -> Result<Roles, FieldError> {
    let mut roles = Roles::new();
    for number in given {
        let role = match v1::AdminRole::try_from(*number) {
            Ok(v1::AdminRole::Writer) => Role::Writer,
            Ok(v1::AdminRole::Reader) => Role::Reader,
            Ok(v1::AdminRole::Operator) => Role::Operator,
            Ok(v1::AdminRole::Auditor) => Role::Auditor,
            Ok(v1::AdminRole::Unspecified) | Err(_) => {
                let problem = format!("{number} is no role; there are 1 to 4");
                return Err(FieldError::new("roles", problem));
            }
        };
        if !roles.insert(role) {
            let problem = format!("{} stands there twice", role.as_str());
            return Err(FieldError::new("roles", problem));
        }
    }
    Ok(roles)
}

fn to_role(role: &Role) -> i32 {
    let role = match role {
        Role::Writer => v1::AdminRole::Writer,
        Role::Reader => v1::AdminRole::Reader,
        Role::Operator => v1::AdminRole::Operator,
        Role::Auditor => v1::AdminRole::Auditor,
    };
    role.into()
}

fn to_admin(admin: AdminView) -> v1::Admin {
    v1::Admin {
        name: admin.name,
        uid: admin.id.to_string(),
        roles: admin.roles.iter().map(to_role).collect(),
        create_time: Some(to_time(admin.created_at)),
        certificate_expire_time: Some(to_time(admin.not_after)),
        certificate_serial: admin.serial.0,
    }
}
