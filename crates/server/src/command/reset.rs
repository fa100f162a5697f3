//! `undercast reset`: an empty cloud again.

use std::process::ExitCode;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, say};

/// Deletes everything in the cloud. There is no way back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    if !args.yes {
        return Err("this deletes everything; say --yes".to_owned());
    }
    block_on(async {
        let answer = Client::new(&args.target)?.post("/_undercast/control/reset").await?;
        say(&if args.target.json { answer.to_string() } else { "everything is gone".to_owned() });
        Ok(ExitCode::SUCCESS)
    })
}
