//! `ProvidersService`.

use super::{refuse, sources};
use crate::{
    custody::{Custody, ProviderView},
    grpc::caller,
    providers::ProviderError,
    refresh::Refresh,
};
use secretref_domain::{manifest::render, name::ProviderAlias, reference::ProviderSpec};
use secretref_proto::{convert::field, v1};
use tonic::{Request, Response, Status};

pub(crate) struct Providers {
    custody: Custody,
    refresh: Refresh,
}

impl Providers {
    pub(crate) fn new(custody: Custody, refresh: Refresh) -> Self {
        Self { custody, refresh }
    }
}

#[tonic::async_trait]
impl v1::providers_service_server::ProvidersService for Providers {
    async fn list_providers(
        &self,
        request: Request<v1::ListProvidersRequest>,
    ) -> Result<Response<v1::ListProvidersResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let environment = field::environment(&request.get_ref().environment);
        let environment = environment.map_err(refuse::field)?;
        let found = self.custody.list_providers(&caller, environment).await;
        let providers = found.map_err(refuse::of)?.iter().take(LISTED_MAX).map(shown).collect();
        Ok(Response::new(v1::ListProvidersResponse { providers }))
    }

    async fn check_provider(
        &self,
        request: Request<v1::CheckProviderRequest>,
    ) -> Result<Response<v1::CheckProviderResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let alias: ProviderAlias = field::name("alias", &request.alias).map_err(refuse::field)?;
        let found = self.custody.provider_to_check(&caller, environment, &alias).await;
        let (environment, view, itinerary) = found.map_err(refuse::of)?;
        let bare = || ProviderSpec { kind: view.kind, settings: serde_json::Map::new() };
        let spec = view.spec.clone().unwrap_or_else(bare);
        let checked = self.refresh.check(&environment, &alias, &spec, itinerary).await;
        let views = self.custody.sources_in(&environment, &alias);
        let failing = views.iter().filter(|it| it.fault.is_some() || it.version.is_none()).count();
        let (detail, fault) = match checked {
            Ok(detail) => (detail, None),
            Err(error) => (String::new(), Some(fault(error))),
        };
        let sources = views.into_iter().take(LISTED_MAX).map(sources::shown).collect();
        let provider = Some(shown(&ProviderView { failing, ..view }));
        Ok(Response::new(v1::CheckProviderResponse { provider, fault, detail, sources }))
    }
}

fn shown(view: &ProviderView) -> v1::Provider {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    v1::Provider {
        alias: view.alias.to_string(),
        r#type: view.kind.as_str().to_owned(),
        settings_json: view
            .spec
            .as_ref()
            .map(render::provider)
            .map(|it| it.to_string())
            .unwrap_or_default(),
        refs: count(view.refs),
        failing_refs: count(view.failing),
    }
}

fn fault(error: ProviderError) -> v1::SourceFault {
    let ProviderError { fault, message, fix } = error;
    v1::SourceFault { fault: fault.to_string(), message, fix, since_time: None }
}

const LISTED_MAX: usize = 1_000;
