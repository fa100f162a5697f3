//! `undercast tail`: everything that happens.

use std::process::ExitCode;

use futures::StreamExt;
use serde_json::Value;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Colour, Failure, note, paint, say};

/// Shows every call, invocation and request as it happens.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show only what contains this in any of its parts.
    filter: Option<String>,
    /// Show only what failed.
    #[arg(long)]
    errors: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let mut lines = Client::new(&args.target)?.stream("/_undercast/control/tail").await?;
        if !args.target.json {
            note("listening; end with Ctrl-C");
        }
        let mut rest = Vec::new();
        while let Some(piece) = lines.next().await {
            rest.extend_from_slice(&piece?);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                show(&args, &String::from_utf8_lossy(&line));
            }
        }
        Err("the cloud went away".to_owned())
    })
}

fn show(args: &Args, line: &str) {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return };
    let is_wanted = args.filter.as_ref().is_none_or(|filter| line.contains(filter.as_str()));
    if !is_wanted || (args.errors && !has_failed(&entry)) {
        return;
    }
    if args.target.json {
        say(line.trim_end());
        return;
    }
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = text("at").get(11..23).unwrap_or_default();
    let id = match text("request") {
        "" => text("trace"),
        id => id,
    };
    let line = format!(
        "{}  {:>9}  {}  {}{}",
        paint(Colour::Dim, time),
        took(&entry),
        name(&entry),
        ending(&entry),
        paint(Colour::Dim, id),
    );
    say(&line);
}

pub(super) fn has_failed(entry: &Value) -> bool {
    let status = entry.get("status").and_then(Value::as_u64).unwrap_or_default();
    status >= 400 || entry.get("error").is_some_and(|error| !error.is_null())
}

/// What it is, in a few words.
pub(super) fn name(entry: &Value) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let dark = if entry.get("dark") == Some(&Value::Bool(true)) { "dark " } else { "" };
    let what = match text("kind") {
        "call" => format!("{}.{}", text("service"), text("operation")),
        "invocation" => {
            let cold = if entry.get("cold") == Some(&Value::Bool(true)) { " cold" } else { "" };
            format!("λ {}:{}{cold}", text("function"), text("version"))
        }
        _ => format!("{} {}{}", text("method"), text("host"), text("path")),
    };
    let by = match text("caller") {
        "" => String::new(),
        caller => format!(" by {}", caller.trim_end_matches(".amazonaws.com")),
    };
    format!("{dark}{what}{by}")
}

pub(super) fn took(entry: &Value) -> String {
    let took = entry.get("took_us").and_then(Value::as_u64).unwrap_or_default();
    format!("{}.{:02} ms", took / 1000, took % 1000 / 10)
}

/// How it ended, followed by two blanks, where that is worth a word.
pub(super) fn ending(entry: &Value) -> String {
    let status = entry.get("status").and_then(Value::as_u64).map(|status| status.to_string());
    let error = entry.get("error").and_then(Value::as_str).map(str::to_owned);
    let Some(ending) = error.or(status) else { return String::new() };
    let colour = if has_failed(entry) { Colour::Red } else { Colour::Green };
    format!("{}  ", paint(colour, &ending))
}
