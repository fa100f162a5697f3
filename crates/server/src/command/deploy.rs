//! `undercast deploy`: a template to a stack, live.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Target, block_on, pause};
use crate::package;
use crate::terminal::{Colour, Failure, is_terminal, note, paint, rewind, say};

const LOOK: Duration = Duration::from_millis(100);

/// Deploys a template and shows the stack while it comes to be.
///
/// A function whose `Code` or `CodeUri` is a path beside the template is zipped and uploaded first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The template, JSON or YAML.
    template: PathBuf,
    /// Name of the stack; by default that of the file.
    #[arg(long)]
    stack: Option<String>,
    /// A parameter, as Name=Value; may be repeated.
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let stem = args.template.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = args.stack.clone().or(stem).unwrap_or_else(|| "stack".to_owned());
    let parameters = parameters(&args.parameters)?;
    block_on(async {
        let client = Client::new(&args.target)?;
        let template = package::template(&client, &args.template).await?;
        if !change(&client, &name, template, &parameters).await? {
            note("no changes");
            return show(&client, &name, args.target.json).await;
        }
        watch(&client, &name, args.target.json).await?;
        show(&client, &name, args.target.json).await
    })
}

fn parameters(given: &[String]) -> Result<Vec<Value>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=').ok_or(format!("{text}: expected NAME=VALUE"))?;
        Ok(json!({"ParameterKey": name, "ParameterValue": value}))
    };
    given.iter().map(read).collect()
}

/// Makes and executes a change set. False if there is nothing to change.
async fn change(
    client: &Client,
    name: &str,
    (source, text): (&str, String),
    parameters: &[Value],
) -> Result<bool, Failure> {
    let status = stack(client, name).await.map(|s| text_of(&s, "StackStatus"));
    let fresh = status.as_deref().is_none_or(|s| s == "REVIEW_IN_PROGRESS");
    if status.as_deref() == Some("ROLLBACK_COMPLETE") {
        return Err(format!("stack {name} is in ROLLBACK_COMPLETE: delete it first"));
    }
    let set = format!("undercast-{}", std::process::id());
    let mut input = json!({
        "StackName": name, "ChangeSetName": set, "Parameters": parameters,
        "ChangeSetType": if fresh { "CREATE" } else { "UPDATE" },
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    });
    if let Value::Object(input) = &mut input {
        input.insert(source.to_owned(), text.into());
    }
    let created = client.call("cloudformation", "CreateChangeSet", input).await?;
    let id = json!({"ChangeSetName": created.get("Id")});
    let described = client.call("cloudformation", "DescribeChangeSet", id.clone()).await?;
    if text_of(&described, "Status") == "FAILED" {
        client.call("cloudformation", "DeleteChangeSet", id).await?;
        let reason = text_of(&described, "StatusReason");
        return if reason.contains("didn't contain changes") { Ok(false) } else { Err(reason) };
    }
    client.call("cloudformation", "ExecuteChangeSet", id).await?;
    Ok(true)
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn stack(client: &Client, name: &str) -> Option<Value> {
    let output = client.call("cloudformation", "DescribeStacks", json!({"StackName": name})).await;
    output.ok()?.get("Stacks")?.as_array()?.first().cloned()
}

/// Draws the stack as a tree until it is at rest.
async fn watch(client: &Client, name: &str, as_json: bool) -> Result<(), Failure> {
    let mut drawn = 0;
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let Some(stack) = stack(client, name).await else {
            return Ok(());
        };
        let status = text_of(&stack, "StackStatus");
        let rows = resources(client, name).await?;
        if !as_json && is_terminal() {
            rewind(drawn);
            drawn = draw(name, &status, &rows);
        } else if !as_json {
            for (logical, kind, state) in &rows {
                if told.insert(logical.clone(), state.clone()).as_ref() != Some(state) {
                    say(&format!("{state:<20} {kind} {logical}"));
                }
            }
        }
        if !status.ends_with("_IN_PROGRESS") {
            return Ok(());
        }
        pause(LOOK).await;
    }
}

async fn resources(client: &Client, name: &str) -> Result<Vec<(String, String, String)>, Failure> {
    let input = json!({"StackName": name});
    let output = client.call("cloudformation", "DescribeStackResources", input).await?;
    let rows = output.get("StackResources").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(rows
        .iter()
        .map(|r| {
            (
                text_of(r, "LogicalResourceId"),
                text_of(r, "ResourceType"),
                text_of(r, "ResourceStatus"),
            )
        })
        .collect())
}

fn draw(name: &str, status: &str, rows: &[(String, String, String)]) -> usize {
    say(&format!("{} {}", paint(Colour::Bold, name), coloured(status)));
    for (i, (logical, kind, state)) in rows.iter().enumerate() {
        let branch = if i + 1 == rows.len() { "└─" } else { "├─" };
        let kind = paint(Colour::Dim, kind.strip_prefix("AWS::").unwrap_or(kind));
        say(&format!("{branch} {} {logical} {kind}", coloured(state)));
    }
    rows.len() + 1
}

fn coloured(status: &str) -> String {
    let colour = if status.contains("FAILED") || status.contains("ROLLBACK") {
        Colour::Red
    } else if status.ends_with("COMPLETE") {
        Colour::Green
    } else {
        Colour::Yellow
    };
    paint(colour, status)
}

/// The end: outputs, or why it failed.
async fn show(client: &Client, name: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let Some(stack) = stack(client, name).await else {
        return Err(format!("stack {name} is gone"));
    };
    let status = text_of(&stack, "StackStatus");
    let good = matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
    if as_json {
        say(&stack.to_string());
    } else if good {
        for output in stack.get("Outputs").and_then(Value::as_array).into_iter().flatten() {
            say(&format!("{} = {}", text_of(output, "OutputKey"), text_of(output, "OutputValue")));
        }
    } else {
        explain(client, name).await?;
    }
    if good { Ok(ExitCode::SUCCESS) } else { Err(format!("stack {name} is in {status}")) }
}

async fn explain(client: &Client, name: &str) -> Result<(), Failure> {
    let input = json!({"StackName": name});
    let output = client.call("cloudformation", "DescribeStackEvents", input).await?;
    let events = output.get("StackEvents").and_then(Value::as_array).cloned().unwrap_or_default();
    for event in events.iter().rev() {
        if text_of(event, "ResourceStatus").ends_with("_FAILED") {
            note(&format!(
                "{} {} {}: {}",
                paint(Colour::Red, &text_of(event, "ResourceStatus")),
                text_of(event, "ResourceType"),
                text_of(event, "LogicalResourceId"),
                text_of(event, "ResourceStatusReason")
            ));
        }
    }
    Ok(())
}
