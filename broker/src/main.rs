//! `secretref-broker`.

use clap::Parser;
use secretref_broker::app::{self, prune, verify};
use secretref_broker::config::{Arguments, Command};
use secretref_broker::{health, init, telemetry};
use std::{process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(&arguments.log);
    if let Err(error) = telemetry::harden() {
        tracing::warn!(%error, "the process could not be hardened");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments.command));
            // Whatever still runs does not keep the process from ending.
            runtime.shutdown_timeout(SHUTDOWN_TIME_MAX);
            outcome
        }
        Err(error) => Err(anyhow::anyhow!("the runtime did not start: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::complain(&error);
            ExitCode::from(app::exit_code(&error))
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(arguments) => init::init(&arguments).await,
        Command::Join(arguments) => Box::pin(init::join(&arguments)).await,
        Command::Serve(arguments) => app::serve_until_signal(arguments.load()?).await,
        Command::Migrate(arguments) => init::migrate(&arguments).await,
        Command::Health(arguments) => health::ask(arguments.load()?).await,
        Command::Verify(arguments) => verify::verify(arguments).await,
        Command::Backup(arguments) => init::backup(&arguments).await,
        Command::Restore(arguments) => Box::pin(init::restore(&arguments)).await,
        Command::RootKey(command) => init::root_key(command).await,
        Command::PruneTrail(arguments) => prune::prune(arguments).await,
    }
}

const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(2);
