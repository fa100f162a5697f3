//! `undercast import`: everything from one file.

use std::path::PathBuf;
use std::process::ExitCode;

use futures::{StreamExt, TryStreamExt};

use crate::client::{Client, Target, block_on};
use crate::keeper::pieces;
use crate::terminal::{Failure, changes, progress, say, size};

/// Replaces the whole state by what a file of `undercast export` holds. What is there now is gone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to read.
    file: PathBuf,
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    if !args.yes {
        return Err("this replaces everything; say --yes".to_owned());
    }
    block_on(async {
        let failed = |error: std::io::Error| format!("{}: {error}", args.file.display());
        let file = tokio::fs::File::open(&args.file).await.map_err(failed)?;
        let mut sent = 0;
        let content = pieces(file).inspect_ok(move |piece| {
            sent += piece.len() as u64;
            progress(&format!("{} sent", size(sent)));
        });
        let client = Client::new(&args.target)?;
        let answer = client.upload("/_undercast/control/import", content.boxed()).await;
        progress("");
        let answer = answer?;
        match args.target.json {
            true => say(&answer.to_string()),
            false => say(&format!("{} is in: {}", args.file.display(), changes(&answer))),
        }
        Ok(ExitCode::SUCCESS)
    })
}
