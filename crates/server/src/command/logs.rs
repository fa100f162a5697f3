//! `undercast logs`: what functions say.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Target, block_on, pause};
use crate::terminal::{Colour, Failure, paint, say};

/// How long `-f` waits between two looks.
const FOLLOW: Duration = Duration::from_millis(300);

/// Prints the log of a function, or of any log group.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of a function, or of a log group (which begins with `/`).
    name: String,
    /// Go on as lines come.
    #[arg(long, short)]
    follow: bool,
    /// Show only lines that match this filter pattern.
    #[arg(long)]
    filter: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let group = if args.name.starts_with('/') {
        args.name.clone()
    } else {
        format!("/aws/lambda/{}", args.name)
    };
    block_on(async {
        let client = Client::new(&args.target)?;
        let (mut from, mut seen) = (0, BTreeSet::new());
        loop {
            match read(&client, &group, args.filter.as_ref(), from).await {
                Ok(events) => print(&events, &mut from, &mut seen, args.target.json),
                // The group of a function that has not run yet comes with its first line.
                Err(refused) if args.follow && refused.code == "ResourceNotFoundException" => {}
                Err(refused) => return Err(refused.into()),
            }
            if !args.follow {
                return Ok(ExitCode::SUCCESS);
            }
            pause(FOLLOW).await;
        }
    })
}

async fn read(
    client: &Client,
    group: &str,
    filter: Option<&String>,
    from: i64,
) -> Result<Vec<Value>, crate::client::Refused> {
    let (mut events, mut token) = (Vec::new(), Value::Null);
    loop {
        let input = json!({
            "logGroupName": group, "startTime": from, "nextToken": token, "filterPattern": filter,
        });
        let page = client.call("logs", "FilterLogEvents", input).await?;
        events.extend(page.get("events").and_then(Value::as_array).cloned().unwrap_or_default());
        token = page.get("nextToken").cloned().unwrap_or_default();
        if token.is_null() {
            return Ok(events);
        }
    }
}

fn print(events: &[Value], from: &mut i64, seen: &mut BTreeSet<String>, as_json: bool) {
    for event in events {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let time = event.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
        if !seen.insert(text("eventId").to_owned()) {
            continue;
        }
        *from = (*from).max(time);
        if as_json {
            say(&event.to_string());
        } else {
            let stamp = undercast_smithy::Timestamp::from_millis(time).iso8601_millis();
            say(&format!("{} {}", paint(Colour::Dim, &stamp), text("message").trim_end()));
        }
    }
}
