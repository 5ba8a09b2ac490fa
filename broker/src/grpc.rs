//! The doors: gRPC on two ports. The agents' port serves enrolment and the watch stream; the
//! administrators' port serves secrets, agents, alerts, audit, health and reflection. A handler
//! parses, calls one verb of custody, and prints.

mod admin;
mod agent;
mod caller;
mod gate;
mod guard;
mod listener;
mod rate;
mod rule;
mod status;
mod throttle;

pub use listener::{Conn, Doors, Listener, Port};

use crate::{
    alerts::{Handle, Monitor},
    config::Limits,
    custody::Custody,
    refresh::Refresh,
    rotation::Rotations,
};
use futures_util::Stream;
use gate::Gate;
use secretref_proto::{DESCRIPTORS, v1};
use std::{io, time::Duration};
use throttle::Throttle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder;
use v1::{
    admins_service_server::AdminsServiceServer, agents_service_server::AgentsServiceServer,
    alerts_service_server::AlertsServiceServer, audit_service_server::AuditServiceServer,
    enrolment_service_server::EnrolmentServiceServer,
    environments_service_server::EnvironmentsServiceServer,
    providers_service_server::ProvidersServiceServer,
    references_service_server::ReferencesServiceServer,
    resolve_service_server::ResolveServiceServer, rotations_service_server::RotationsServiceServer,
    secrets_service_server::SecretsServiceServer, traces_service_server::TracesServiceServer,
    watch_service_server::WatchServiceServer,
};

/// Serves the agents' port until `stop`.
///
/// # Errors
/// What tonic says of the transport.
pub async fn serve_agents(
    custody: Custody,
    alerts: Handle,
    limits: Limits,
    incoming: impl Stream<Item = io::Result<Conn>>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let gate = Gate::new(Port::Agents, custody.clone());
    let enrolment = EnrolmentServiceServer::new(agent::Enrolment::new(custody.clone(), &limits))
        .max_decoding_message_size(AGENT_MESSAGE_BYTES_MAX);
    let resolve = ResolveServiceServer::new(agent::Resolve::new(custody.clone()))
        .max_decoding_message_size(AGENT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let watch = WatchServiceServer::new(agent::Watch::new(custody, alerts, limits, stop.clone()))
        .max_decoding_message_size(AGENT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    bounded(Server::builder())
        .layer(Throttle::for_agents(&limits))
        .layer(gate)
        .add_service(enrolment)
        .add_service(resolve)
        .add_service(watch)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
}

/// What the administrators' port is a door to.
pub struct Admin {
    /// Secrets and whoever may have them.
    pub custody: Custody,
    /// What asks providers.
    pub refresh: Refresh,
    /// What takes rotations further.
    pub rotations: Rotations,
    /// What tells people.
    pub alerts: Handle,
    /// What looks at what is so.
    pub monitor: Monitor,
}

/// Serves the administrators' port until `stop`. The reporter says that the broker serves.
///
/// # Errors
/// What tonic says of the transport.
pub async fn serve_admins(
    Admin { custody, refresh, rotations, alerts, monitor }: Admin,
    limits: Limits,
    incoming: impl Stream<Item = io::Result<Conn>>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let incoming = guard::attend(incoming, custody.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    report_serving(&health).await;
    // The descriptors of error details too, so that `grpcurl` can print them; and only the services
    // that this port serves.
    let builder = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        ADMIN_SERVICES.into_iter().fold(builder, Builder::with_service_name)
    };
    let server = bounded(Server::builder())
        .layer(Throttle::for_admins(&limits))
        .layer(Gate::new(Port::Admins, custody.clone()))
        .add_service(
            SecretsServiceServer::new(admin::Secrets::new(custody.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            AgentsServiceServer::new(admin::Agents::new(custody.clone(), refresh.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            AdminsServiceServer::new(admin::Admins::new(custody.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            ReferencesServiceServer::new(admin::References::new(custody.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            ProvidersServiceServer::new(admin::Providers::new(custody.clone(), refresh.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            EnvironmentsServiceServer::new(admin::Environments::new(custody.clone(), refresh))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            RotationsServiceServer::new(admin::Rotations::new(custody.clone(), rotations))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            AlertsServiceServer::new(admin::Alerts::new(custody.clone(), alerts, monitor))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            TracesServiceServer::new(admin::Traces::new(custody.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(
            AuditServiceServer::new(admin::Audit::new(custody, stop.clone()))
                .max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
        )
        .add_service(health_service);
    // Both versions: older clients, real grpcurl among them, know only v1alpha.
    let (v1, v1alpha) = (builder().build_v1(), builder().build_v1alpha());
    let server = match (v1, v1alpha) {
        (Ok(v1), Ok(v1alpha)) => server.add_service(v1).add_service(v1alpha),
        _ => server,
    };
    server.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await
}

async fn report_serving(health: &HealthReporter) {
    health.set_serving::<SecretsServiceServer<admin::Secrets>>().await;
    health.set_serving::<AgentsServiceServer<admin::Agents>>().await;
    health.set_serving::<AdminsServiceServer<admin::Admins>>().await;
    health.set_serving::<ReferencesServiceServer<admin::References>>().await;
    health.set_serving::<ProvidersServiceServer<admin::Providers>>().await;
    health.set_serving::<EnvironmentsServiceServer<admin::Environments>>().await;
    health.set_serving::<RotationsServiceServer<admin::Rotations>>().await;
    health.set_serving::<AlertsServiceServer<admin::Alerts>>().await;
    health.set_serving::<TracesServiceServer<admin::Traces>>().await;
    health.set_serving::<AuditServiceServer<admin::Audit>>().await;
}

/// tonic's own defaults have no limit on streams or headers.
fn bounded(server: Server) -> Server {
    server
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS_MAX))
}

/// What reflection says that the administrators' port serves.
const ADMIN_SERVICES: [&str; 11] = [
    "secretref.v1.SecretsService",
    "secretref.v1.AgentsService",
    "secretref.v1.AdminsService",
    "secretref.v1.ReferencesService",
    "secretref.v1.ProvidersService",
    "secretref.v1.EnvironmentsService",
    "secretref.v1.RotationsService",
    "secretref.v1.AlertsService",
    "secretref.v1.TracesService",
    "secretref.v1.AuditService",
    "grpc.health.v1.Health",
];
/// One message from an agent, in bytes.
const AGENT_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// One message to an agent, in bytes; manifests are cut into parts below it.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// One message from an administrator, in bytes: a manifest has up to 1 MiB.
const ADMIN_MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Requests at once on one connection.
const STREAMS_MAX: u32 = 32;
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
const HTTP2_FRAME_BYTES_MAX: u32 = 16 * 1024;
const HEADER_BYTES_MAX: u32 = 8 * 1024;
/// Rapid reset (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
const ERROR_RESETS_MAX: usize = 64;
