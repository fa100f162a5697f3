//! `undercast invoke`: calls a function.

use std::io::Read;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, note, say};

/// Calls a function and prints its answer; the end of its log goes to standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name or ARN, with or without a version or alias.
    function: String,
    /// The event, as JSON; `-` reads standard input.
    #[arg(default_value = "{}")]
    event: String,
    /// Return at once, and let it run in the background.
    #[arg(long = "async")]
    asynchronous: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut event = args.event.clone();
    if event == "-" {
        event.clear();
        std::io::stdin().read_to_string(&mut event).map_err(|e| e.to_string())?;
    }
    serde_json::from_str::<Value>(&event).map_err(|e| format!("the event is not JSON: {e}"))?;
    block_on(async {
        let input = json!({
            "FunctionName": args.function,
            "InvocationType": if args.asynchronous { "Event" } else { "RequestResponse" },
            "LogType": if args.asynchronous { "None" } else { "Tail" },
            "Payload": base64(event.as_bytes()),
        });
        let output = Client::new(&args.target)?.call("lambda", "Invoke", input).await?;
        if args.target.json {
            say(&output.to_string());
        } else {
            let part = |name: &str| output.get(name).and_then(Value::as_str).map(unbase64);
            note(&part("LogResult").unwrap_or_default());
            say(&part("Payload").unwrap_or_default());
        }
        let failed = output.get("FunctionError").is_some_and(|e| !e.is_null());
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// The control route carries blobs as base64, like every document.
fn base64(bytes: &[u8]) -> String {
    let blob = undercast_smithy::Blob::from(bytes.to_vec());
    let mut writer = undercast_smithy::document::DocumentWriter::default();
    undercast_smithy::ShapeWriter::blob(&mut writer, &blob.0);
    writer.finish().as_str().unwrap_or_default().to_owned()
}

fn unbase64(text: &str) -> String {
    let value = Value::String(text.to_owned());
    let mut reader = undercast_smithy::document::DocumentReader::new(&value);
    undercast_smithy::ShapeReader::blob(&mut reader)
        .map_or_else(|_| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}
