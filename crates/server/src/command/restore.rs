//! `undercast restore`: everything as it was when a snapshot was made.

use std::process::ExitCode;

use crate::client::{Client, Target, block_on, quoted};
use crate::terminal::{Failure, changes, say};

/// Brings the whole state back to a snapshot. What was written since then is gone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the snapshot.
    name: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let path = format!("/_undercast/control/restore?name={}", quoted(&args.name));
        let answer = Client::new(&args.target)?.post(&path).await?;
        match args.target.json {
            true => say(&answer.to_string()),
            false => say(&format!("{} is restored: {}", args.name, changes(&answer))),
        }
        Ok(ExitCode::SUCCESS)
    })
}
