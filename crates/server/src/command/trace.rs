//! `undercast trace`: what a request led to.

use std::process::ExitCode;

use serde_json::Value;

use super::tail::{ending, name, took};
use crate::client::{Client, Target, block_on, quoted};
use crate::terminal::{Colour, Failure, paint, say};

const BAR: u64 = 32;

/// Shows all that a request led to: calls, invocations and what these called, as a picture in time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A request id, as answers and logs name it, or the root of an X-Ray trace.
    request: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let path = format!("/_undercast/control/trace?id={}", quoted(&args.request));
        let answer = Client::new(&args.target)?.get(&path).await?;
        let entries = answer.as_array().cloned().unwrap_or_default();
        if entries.is_empty() {
            return Err(format!("nothing is remembered of {}", args.request));
        }
        if args.target.json {
            say(&answer.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let span = |entry: &Value| {
            let part = |name: &str| entry.get(name).and_then(Value::as_u64).unwrap_or_default();
            let from = part("at_ms") * 1000;
            (from, from + part("took_us"))
        };
        let begun = entries.iter().map(|entry| span(entry).0).min().unwrap_or_default();
        let ended = entries.iter().map(|entry| span(entry).1).max().unwrap_or_default();
        for entry in &entries {
            let (from, to) = span(entry);
            say(&format!(
                "{}  {:>10}  {}  {}",
                paint(Colour::Green, &bar(from - begun, to - begun, ended - begun)),
                took(entry),
                name(entry),
                ending(entry).trim_end(),
            ));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Where something lies in the whole.
fn bar(from: u64, to: u64, whole: u64) -> String {
    let at = |time: u64| (time * BAR).checked_div(whole).unwrap_or(0).min(BAR);
    let first = at(from).min(BAR - 1);
    let last = at(to).max(first + 1);
    (0..BAR).map(|n| if (first..last).contains(&n) { '█' } else { '·' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_where_their_time_is() {
        assert_eq!(bar(0, 100, 100), "█".repeat(32));
        assert!(bar(50, 100, 100).starts_with(&"·".repeat(16)));
        assert!(bar(100, 100, 100).ends_with("·█"));
        assert!(bar(0, 0, 0).starts_with("█·"));
    }
}
