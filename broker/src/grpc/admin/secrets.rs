//! `SecretsService`.

use super::{refuse, request_key};
use crate::{
    custody::{Committed, Custody, Match, Matches, Put, SecretView, VersionState, VersionView},
    grpc::caller,
};
use secretref_domain::{id::SecretId, name::SecretName, value::SecretValue, version::Version};
use secretref_proto::{
    convert::field::{self, FieldError, to_time},
    v1,
};
use std::collections::HashMap;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) struct Secrets {
    custody: Custody,
}

impl Secrets {
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

#[tonic::async_trait]
impl v1::secrets_service_server::SecretsService for Secrets {
    async fn put_secret(
        &self,
        request: Request<v1::PutSecretRequest>,
    ) -> Result<Response<v1::PutSecretResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let id = request.request_id.clone();
        let key = request_key(&self.custody, &caller, &id, "put", &request)?;
        let put = parse_put(request).map_err(refuse::field)?;
        let done = self.custody.put(&caller, put, key).await.map_err(refuse::of)?;
        let revision = done.revision.0;
        let (secret, version) = written(done);
        Ok(Response::new(v1::PutSecretResponse { secret, version, revision }))
    }

    async fn get_secret(
        &self,
        request: Request<v1::GetSecretRequest>,
    ) -> Result<Response<v1::GetSecretResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = kept_name(&request.name)?;
        let secret = self.custody.show_secret(&caller, environment, &name).await;
        let secret = Some(to_secret(secret.map_err(refuse::of)?));
        Ok(Response::new(v1::GetSecretResponse { secret }))
    }

    async fn list_secrets(
        &self,
        request: Request<v1::ListSecretsRequest>,
    ) -> Result<Response<v1::ListSecretsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let after: Option<SecretName> =
            field::optional("page_token", &request.page_token).map_err(refuse::field)?;
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let listed = self.custody.list_secrets(
            &caller,
            environment,
            after.as_ref(),
            limit,
            request.show_deleted,
        );
        let (secrets, more) = listed.await.map_err(refuse::of)?;
        let last = secrets.last().filter(|_| more).map(|secret| secret.name.to_string());
        let next_page_token = last.unwrap_or_default();
        let secrets = secrets.into_iter().map(to_secret).collect();
        Ok(Response::new(v1::ListSecretsResponse { secrets, next_page_token }))
    }

    async fn list_secret_versions(
        &self,
        request: Request<v1::ListSecretVersionsRequest>,
    ) -> Result<Response<v1::ListSecretVersionsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = kept_name(&request.name)?;
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let before = version_token(&request.page_token).map_err(refuse::field)?;
        let listed = self.custody.list_versions(&caller, environment, &name).await;
        let mut versions = listed.map_err(refuse::of)?;
        versions.retain(|version| before.is_none_or(|before| version.version < before));
        let more = versions.len() > limit;
        versions.truncate(limit);
        let last = versions.last().filter(|_| more).map(|it| it.version.get().to_string());
        let versions = versions.iter().map(to_version).collect();
        let next_page_token = last.unwrap_or_default();
        Ok(Response::new(v1::ListSecretVersionsResponse { versions, next_page_token }))
    }

    async fn access_secret_version(
        &self,
        request: Request<v1::AccessSecretVersionRequest>,
    ) -> Result<Response<v1::AccessSecretVersionResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = kept_name(&request.name)?;
        let version = optional_version("version", request.version).map_err(refuse::field)?;
        let read = self.custody.access(&caller, environment, &name, version, &request.reason);
        let read = read.await.map_err(refuse::of)?;
        let value = read.value.expose().to_vec();
        let version = Some(to_version(&read.version));
        Ok(Response::new(v1::AccessSecretVersionResponse { version, value }))
    }

    async fn activate_secret_version(
        &self,
        request: Request<v1::ActivateSecretVersionRequest>,
    ) -> Result<Response<v1::ActivateSecretVersionResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "activate", &request)?;
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let version = version("version", request.version).map_err(refuse::field)?;
        let expected = request.expected_version;
        let done = self.custody.activate(&caller, environment, name, version, expected, key).await;
        let done = done.map_err(refuse::of)?;
        let revision = done.revision.0;
        let (secret, version) = written(done);
        Ok(Response::new(v1::ActivateSecretVersionResponse { secret, version, revision }))
    }

    async fn destroy_secret_version(
        &self,
        request: Request<v1::DestroySecretVersionRequest>,
    ) -> Result<Response<v1::DestroySecretVersionResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "destroy", &request)?;
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let version = version("version", request.version).map_err(refuse::field)?;
        let done = self.custody.destroy(&caller, environment, name, version, key).await;
        let version = Some(to_version(&done.map_err(refuse::of)?.answer));
        Ok(Response::new(v1::DestroySecretVersionResponse { version }))
    }

    async fn delete_secret(
        &self,
        request: Request<v1::DeleteSecretRequest>,
    ) -> Result<Response<v1::DeleteSecretResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "delete", &request)?;
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let expected = request.expected_version;
        let done = self.custody.set_deleted(&caller, environment, name, true, expected, key).await;
        let secret = Some(to_secret(done.map_err(refuse::of)?.answer));
        Ok(Response::new(v1::DeleteSecretResponse { secret }))
    }

    async fn match_secrets(
        &self,
        request: Request<v1::MatchSecretsRequest>,
    ) -> Result<Response<v1::MatchSecretsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let v1::MatchSecretsRequest { key, digests, page_token } = request.into_inner();
        let (key, digests) = parse_match(key, digests).map_err(refuse::field)?;
        let after = from_match_token(&page_token).map_err(refuse::field)?;
        let found = self.custody.match_secrets(&caller, &key, &digests, after).await;
        let Matches { found, examined, next } = found.map_err(refuse::of)?;
        let to_match = |found: Match| v1::SecretMatch {
            index: i32::try_from(found.index).unwrap_or(i32::MAX),
            name: found.name.to_string(),
            environment: found.environment.to_string(),
            version: found.version.get(),
            current: found.current,
        };
        let to_token =
            |(secret, version): (SecretId, Version)| format!("{secret}.{}", version.get());
        Ok(Response::new(v1::MatchSecretsResponse {
            matches: found.into_iter().map(to_match).collect(),
            examined: i64::try_from(examined).unwrap_or(i64::MAX),
            next_page_token: next.map(to_token).unwrap_or_default(),
        }))
    }

    async fn undelete_secret(
        &self,
        request: Request<v1::UndeleteSecretRequest>,
    ) -> Result<Response<v1::UndeleteSecretResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "undelete", &request)?;
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let done = self.custody.set_deleted(&caller, environment, name, false, None, key).await;
        let secret = Some(to_secret(done.map_err(refuse::of)?.answer));
        Ok(Response::new(v1::UndeleteSecretResponse { secret }))
    }
}

fn from_match_token(token: &str) -> Result<Option<(SecretId, Version)>, FieldError> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = token.split_once('.').and_then(|(secret, version)| {
        let secret = SecretId(Uuid::parse_str(secret).ok()?);
        Some((secret, Version::new(version.parse().ok()?)?))
    });
    let problem = || FieldError::new("page_token", "it is not one that a page before gave");
    place.map(Some).ok_or_else(problem)
}

type Question = ([u8; 32], HashMap<[u8; 32], usize>);

fn parse_match(key: Vec<u8>, digests: Vec<Vec<u8>>) -> Result<Question, FieldError> {
    let long = |field| move |_| FieldError::new(field, "it has not 32 bytes");
    let key = key.try_into().map_err(long("key"))?;
    if digests.is_empty() || digests.len() > DIGESTS_MAX {
        let problem = format!("there are {} of them; 1 to {DIGESTS_MAX} may be", digests.len());
        return Err(FieldError::new("digests", problem));
    }
    let each = digests.into_iter().zip(0..);
    let each = each.map(|(digest, at)| Ok((digest.try_into().map_err(long("digests"))?, at)));
    Ok((key, each.collect::<Result<_, _>>()?))
}

fn parse_put(request: v1::PutSecretRequest) -> Result<Put, FieldError> {
    // The value first, so that it is overwritten whatever else is wrong.
    let value = SecretValue::new(request.value);
    Ok(Put {
        environment: field::environment(&request.environment)?,
        name: field::name("name", &request.name)?,
        value: value.map_err(|error| FieldError::new("value", error))?,
        service: request.service,
        labels: request.labels,
        expires_at: field::time("expire_time", request.expire_time.as_ref())?,
        deprecation_date: field::time("deprecation_time", request.deprecation_time.as_ref())?,
        expected: match request.expected_version {
            Some(expected) if expected < 0 => {
                let problem = format!("it is {expected}; a version is 1 or more, 0 means none");
                return Err(FieldError::new("expected_version", problem));
            }
            expected => expected,
        },
        create_only: request.create_only,
    })
}

fn version(field: &'static str, given: i64) -> Result<Version, FieldError> {
    let problem = || FieldError::new(field, format!("it is {given}; a version is 1 or more"));
    Version::new(given).ok_or_else(problem)
}

fn optional_version(field: &'static str, given: i64) -> Result<Option<Version>, FieldError> {
    if given == 0 { Ok(None) } else { version(field, given).map(Some) }
}

fn version_token(given: &str) -> Result<Option<Version>, FieldError> {
    let problem = || FieldError::new("page_token", "it is not one that a page before gave");
    match given {
        "" => Ok(None),
        given => given.parse().ok().and_then(Version::new).map(Some).ok_or_else(problem),
    }
}

/// A name that is only read by: that of a copy too.
fn kept_name(given: &str) -> Result<SecretName, Status> {
    SecretName::parse_kept(given).map_err(|error| refuse::invalid("name".into(), error.to_string()))
}

fn written(
    done: Committed<(SecretView, VersionView)>,
) -> (Option<v1::Secret>, Option<v1::SecretVersion>) {
    let (secret, version) = done.answer;
    (Some(to_secret(secret)), Some(to_version(&version)))
}

fn to_secret(secret: SecretView) -> v1::Secret {
    v1::Secret {
        name: secret.name.to_string(),
        environment: secret.environment.to_string(),
        uid: secret.id.to_string(),
        service: secret.service,
        labels: secret.labels,
        current_version: secret.current.get(),
        create_time: Some(to_time(secret.created_at)),
        update_time: Some(to_time(secret.updated_at)),
        expire_time: secret.expires_at.map(to_time),
        deprecation_time: secret.deprecation_date.map(to_time),
        delete_time: secret.deleted_at.map(to_time),
    }
}

fn to_version(version: &VersionView) -> v1::SecretVersion {
    let state = match version.state {
        VersionState::Current => v1::VersionState::Current,
        VersionState::Previous => v1::VersionState::Previous,
        VersionState::Pending => v1::VersionState::Pending,
        VersionState::Destroyed => v1::VersionState::Destroyed,
    };
    v1::SecretVersion {
        version: version.version.get(),
        state: state.into(),
        create_time: Some(to_time(version.created_at)),
        expire_time: version.expires_at.map(to_time),
        size_bytes: i64::try_from(version.size).unwrap_or(i64::MAX),
        activated_from: version.activated_from.map_or(0, Version::get),
        looks_like_example: version.placeholder,
        source: version
            .origin
            .as_ref()
            .map(|it| it.source.provider.to_string())
            .unwrap_or_default(),
        source_version: version.origin.as_ref().map(|it| it.version.clone()).unwrap_or_default(),
    }
}

/// Digests of one question.
const DIGESTS_MAX: usize = 8_192;
