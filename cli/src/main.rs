//! `secretref`: the operator's hand. Talks to a broker's admin listener, and to nothing else.

mod args;
mod cmd;
mod config;
mod connect;
mod failure;
mod print;
mod profile;

use config::Config;
use print::Printer;
use std::process::ExitCode;

fn main() -> ExitCode {
    let config = Config::from_environment();
    let args = match args::parse(&config.arguments) {
        Ok(args) => args,
        Err(args::NotACommand::Help(text)) => return text.print().map_or(1.into(), |()| 0.into()),
        Err(args::NotACommand::Wrong(failure)) => {
            Printer::new(&config, false).failure(&failure);
            return failure.exit.into();
        }
    };
    let out = Printer::new(&config, args.global.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.warning(&format!("the system gives no runtime: {error}"));
            return 1.into();
        }
    };
    match runtime.block_on(cmd::run(args, &config, out)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}
