//! `undercast`: the cloud that you own.

mod authority;
mod client;
mod command;
mod control;
mod dark;
mod fetch;
mod keeper;
mod listeners;
mod package;
mod relay;
mod services;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every message and item is a handful of small allocations; the system's allocator was a fifth of the
/// time of a queue under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A serverless cloud that you own: AWS's wire protocols on one binary that forgets nothing it
/// acknowledged.
///
/// Start it with `undercast up`, point any AWS client at it with
/// AWS_ENDPOINT_URL=http://127.0.0.1:4566 and any access key, and deploy.
#[derive(Debug, Parser)]
#[command(name = "undercast", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(command::up::Args),
    Status(command::status::Args),
    Deploy(command::deploy::Args),
    Dark(command::dark::Args),
    Release(command::release::Args),
    Logs(command::logs::Args),
    Invoke(command::invoke::Args),
    Ls(command::ls::Args),
    Tail(command::tail::Args),
    Trace(command::trace::Args),
    Snapshot(command::snapshot::Args),
    Restore(command::restore::Args),
    Export(command::export::Args),
    Import(command::import::Args),
    Time(command::time::Args),
    Reset(command::reset::Args),
}

fn main() -> ExitCode {
    // A function's process is this binary once more, which becomes the runtime.
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|arg| arg == "__launch") {
        return undercast_sandbox::launcher_main(args.filter_map(|arg| arg.into_string().ok()));
    }
    let result = match Cli::parse().command {
        Command::Up(args) => command::up::run(args),
        Command::Status(args) => command::status::run(args),
        Command::Deploy(args) => command::deploy::run(args),
        Command::Dark(args) => command::dark::run(args),
        Command::Release(args) => command::release::run(args),
        Command::Logs(args) => command::logs::run(args),
        Command::Invoke(args) => command::invoke::run(args),
        Command::Ls(args) => command::ls::run(args),
        Command::Tail(args) => command::tail::run(args),
        Command::Trace(args) => command::trace::run(args),
        Command::Snapshot(args) => command::snapshot::run(args),
        Command::Restore(args) => command::restore::run(args),
        Command::Export(args) => command::export::run(args),
        Command::Import(args) => command::import::run(args),
        Command::Time(args) => command::time::run(args),
        Command::Reset(args) => command::reset::run(args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            terminal::complain(&failure);
            ExitCode::FAILURE
        }
    }
}
