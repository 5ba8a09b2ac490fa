//! A broker that says what it is told to, over the real transport.

#[path = "script.rs"]
mod script;

use crate::{Ran, authority::Authority, run_program};
use secretref_identity::{
    clock::Clock,
    server::{self, ServerConfig},
};
use secretref_proto::v1::{
    PutSecretRequest, agents_service_server::AgentsServiceServer,
    alerts_service_server::AlertsServiceServer, audit_service_server::AuditServiceServer,
    references_service_server::ReferencesServiceServer,
    secrets_service_server::SecretsServiceServer,
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// A fake broker with an admin's files beside it.
pub(crate) struct Broker {
    address: String,
    folder: TempDir,
    script: Script,
    _runtime: Runtime,
}

/// What the fake broker was asked, and so knows what to answer.
#[derive(Clone, Default)]
pub(crate) struct Script {
    puts: Arc<Mutex<Vec<PutSecretRequest>>>,
}

impl Broker {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        authority.write_admin(folder.path());
        let runtime = Runtime::new().unwrap();
        let script = Script::default();
        let anchors = [authority.certificate().clone()];
        let config =
            ServerConfig::for_admins(&authority.broker(), &anchors, Clock::system()).unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(serve(listener, config, script.clone()));
        Self { address, folder, script, _runtime: runtime }
    }

    /// Runs the binary as the broker's admin.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.run_as(self.folder.path(), arguments, input)
    }

    /// Runs the binary with the files of a folder. It waits for the broker, which on a busy
    /// machine may need longer than the time after which a broker counts as out of reach.
    pub(crate) fn run_as(&self, folder: &Path, arguments: &[&str], input: &[u8]) -> Ran {
        let mut arguments = arguments.to_vec();
        arguments.push("--wait=120s");
        let program = env!("CARGO_BIN_EXE_secretref");
        let mut ran = self.run_program(program, folder, &arguments, input);
        let told = |line: &&str| !line.starts_with("waiting for the broker at ");
        ran.err = ran.err.split_inclusive('\n').filter(told).collect();
        ran
    }

    /// Runs a program in whose environment the files of a folder are.
    pub(crate) fn run_program(
        &self,
        program: &str,
        folder: &Path,
        arguments: &[&str],
        input: &[u8],
    ) -> Ran {
        let file = |name: &str| folder.join(name).into_os_string().into_string().unwrap();
        let env = [
            ("SECRETREF_ADDR", self.address.as_str()),
            ("SECRETREF_CA", &file("ca.crt")),
            ("SECRETREF_CERT", &file("admin.crt")),
            ("SECRETREF_KEY", &file("admin.key")),
        ];
        run_program(program, &env, arguments, input)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What was put, in order.
    pub(crate) fn puts(&self) -> Vec<PutSecretRequest> {
        self.script.puts.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, config: ServerConfig, script: Script) {
    let (sender, connections) = mpsc::channel(16);
    let config = Arc::new(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (config, sender) = (Arc::clone(&config), sender.clone());
            tokio::spawn(async move {
                let taken = server::accept(stream, &config, Duration::from_secs(5)).await;
                if let Ok((stream, Some(_))) = taken {
                    let _ = sender.send(Ok::<_, std::io::Error>(stream)).await;
                }
            });
        }
    });
    tonic::transport::Server::builder()
        .add_service(SecretsServiceServer::new(script.clone()))
        .add_service(AgentsServiceServer::new(script.clone()))
        .add_service(AlertsServiceServer::new(script.clone()))
        .add_service(ReferencesServiceServer::new(script.clone()))
        .add_service(AuditServiceServer::new(script))
        .serve_with_incoming(ReceiverStream::new(connections))
        .await
        .unwrap();
}
