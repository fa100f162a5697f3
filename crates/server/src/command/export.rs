//! `undercast export`: everything as one file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures::StreamExt;
use serde_json::json;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, progress, say, size};

/// Writes the whole state to one file: data, code, settings, secrets. Keep it as you keep the data folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write.
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let mut unfinished = args.file.clone().into_os_string();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let written = write(&args.target, &unfinished).await;
        let named = written.and_then(|bytes| {
            std::fs::rename(&unfinished, &args.file).map_err(|e| e.to_string()).map(|()| bytes)
        });
        if named.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        let bytes = named?;
        match args.target.json {
            true => say(&json!({"file": args.file, "bytes": bytes}).to_string()),
            false => say(&format!("{} holds everything ({})", args.file.display(), size(bytes))),
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn write(target: &Target, path: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut content = Client::new(target)?.stream("/_undercast/control/export").await?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let mut bytes = 0;
    while let Some(piece) = content.next().await {
        let piece = piece?;
        file.write_all(&piece).map_err(failed)?;
        bytes += piece.len() as u64;
        progress(&format!("{} written", size(bytes)));
    }
    progress("");
    file.sync_all().map_err(failed)?;
    Ok(bytes)
}
