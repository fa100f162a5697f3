//! `undercast snapshot`: everything, kept under a name.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, Target, block_on, quoted};
use crate::terminal::{Failure, note, say, size, table};

/// Keeps the whole state under a name in the data folder, for `undercast restore`; without a name, lists what is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Letters, digits, `-`, `_` and `.`; what had that name is replaced.
    name: Option<String>,
    /// Delete the snapshot instead.
    #[arg(long, requires = "name")]
    delete: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let client = Client::new(&args.target)?;
        let Some(name) = &args.name else {
            list(&client.get("/_undercast/control/snapshots").await?, args.target.json);
            return Ok(ExitCode::SUCCESS);
        };
        let path = format!("/_undercast/control/snapshot?name={}", quoted(name));
        let answer = match args.delete {
            true => client.delete(&path).await?,
            false => client.post(&path).await?,
        };
        if args.target.json {
            say(&answer.to_string());
        } else if args.delete {
            say(&format!("{name} is deleted"));
        } else {
            let bytes = answer.get("bytes").and_then(Value::as_u64).unwrap_or_default();
            say(&format!("{name} is kept ({})", size(bytes)));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn list(snapshots: &Value, as_json: bool) {
    if as_json {
        say(&snapshots.to_string());
        return;
    }
    let text = |row: &Value, name: &str| {
        row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let bytes = |row: &Value| size(row.get("bytes").and_then(Value::as_u64).unwrap_or_default());
    let rows: Vec<Vec<String>> = snapshots
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| vec![text(row, "name"), bytes(row), text(row, "made")])
        .collect();
    match rows.is_empty() {
        true => note("no snapshots yet"),
        false => table(&["NAME", "SIZE", "MADE"], &rows),
    }
}
