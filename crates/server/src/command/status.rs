//! `undercast status`: whether a cloud runs, and how.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Colour, Failure, paint, say};

/// Says whether a cloud runs, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let health = Client::new(&args.target)?.get("/_undercast/health").await?;
        if args.target.json {
            say(&health.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let text = |name: &str| match health.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        };
        say(&format!("{}  {}", paint(Colour::Green, "running"), text("url")));
        for (label, name) in [
            ("version", "version"),
            ("store", "store"),
            ("durability", "durability"),
            ("mode", "mode"),
            ("isolation", "isolation"),
            ("inside", "inside"),
            ("instances", "instances"),
            ("calls", "calls"),
            ("errors", "errors"),
            ("audit", "would_be_denied"),
        ] {
            say(&format!("  {label:<11}{}", text(name)));
        }
        for line in health.get("notes").and_then(Value::as_array).into_iter().flatten() {
            say(&format!(
                "  {} {}",
                paint(Colour::Yellow, "note"),
                line.as_str().unwrap_or_default()
            ));
        }
        Ok(ExitCode::SUCCESS)
    })
}
