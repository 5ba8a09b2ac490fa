//! `secretref-broker`.

use clap::Parser;
use secretref_broker::app::{self, backup, prune, root_key_commands, verify};
use secretref_broker::config::{Arguments, Command, RootKeyCommand};
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
            ExitCode::from(exit_code(&error))
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
        Command::Backup(arguments) => backup::backup(&arguments).await,
        Command::Restore(arguments) => Box::pin(backup::restore(&arguments)).await,
        Command::RootKey(RootKeyCommand::Next(arguments)) => root_key_commands::next(&arguments),
        Command::RootKey(RootKeyCommand::Rotate(arguments)) => {
            Box::pin(root_key_commands::rotate(&arguments)).await
        }
        Command::PruneTrail(arguments) => prune::prune(arguments).await,
    }
}

/// 69 where the database cannot be reached, 2 where what was asked for is wrong.
fn exit_code(error: &anyhow::Error) -> u8 {
    use secretref_broker::store::StoreError;
    if let Some(found) = error.downcast_ref::<verify::NotVerified>() {
        return found.exit_code;
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Unavailable { .. }) => 69,
        Some(StoreError::Damaged(_) | StoreError::LaneTaken(_)) => 1,
        _ if error.is::<health::Unhealthy>() => 1,
        _ => 2,
    }
}

const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(2);
