//! `undercast import`: everything from one file.

use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use futures::StreamExt;
use tokio::io::AsyncReadExt;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, changes, progress, say, size};

const PIECE_BYTES: usize = 256 << 10;

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
        let pieces = futures::stream::unfold((file, 0), |(mut file, sent)| async move {
            let mut piece = vec![0; PIECE_BYTES];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    let sent = sent + read as u64;
                    progress(&format!("{} sent", size(sent)));
                    Some((Ok(Bytes::from(piece)), (file, sent)))
                }
                Err(error) => Some((Err(error), (file, sent))),
            }
        });
        let client = Client::new(&args.target)?;
        let answer = client.upload("/_undercast/control/import", pieces.boxed()).await;
        progress("");
        let answer = answer?;
        match args.target.json {
            true => say(&answer.to_string()),
            false => say(&format!("{} is in: {}", args.file.display(), changes(&answer))),
        }
        Ok(ExitCode::SUCCESS)
    })
}
