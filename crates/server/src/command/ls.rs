//! `undercast ls`: every resource.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, note, say, table};

/// Lists every resource of every service.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show only what contains this in its type, name or ARN.
    filter: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let listed = Client::new(&args.target)?.get("/_undercast/control/list").await?;
        let mut rows: Vec<Value> = listed.as_array().cloned().unwrap_or_default();
        if let Some(filter) = &args.filter {
            rows.retain(|row| row.to_string().contains(filter.as_str()));
        }
        if args.target.json {
            say(&Value::Array(rows).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        if rows.is_empty() {
            note("nothing here yet");
            return Ok(ExitCode::SUCCESS);
        }
        let cells = ["account", "region", "type", "name", "note"];
        let text = |row: &Value, name: &str| {
            row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| cells.iter().map(|cell| text(row, cell)).collect()).collect();
        table(&["ACCOUNT", "REGION", "TYPE", "NAME", ""], &rows);
        Ok(ExitCode::SUCCESS)
    })
}
