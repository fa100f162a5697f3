//! `undercast release`: the ladder from dark to everybody.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::client::{Client, Target, block_on};
use crate::terminal::{Colour, Failure, note, paint, say};

/// Moves an alias to a new version, step by step: in the dark, then a canary, then everybody; and back by
/// itself when a gate fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Starts a release.
    Start(Start),
    /// Shows where releases stand.
    Status(Status),
    /// Ends the waiting of the step; a gate that fails is not overruled.
    Advance(Step),
    /// Lets it stay where it is.
    Hold(Step),
    /// Lets it go on.
    Resume(Step),
    /// Gives everybody the old version again.
    Rollback(Step),
}

#[derive(Debug, clap::Args)]
struct Start {
    name: String,
    /// `FUNCTION:ALIAS`.
    #[arg(long)]
    of: String,
    /// Number of the new version.
    #[arg(long)]
    to: String,
    /// One of CodeDeploy's configurations, such as Canary10Percent5Minutes.
    #[arg(long, required_unless_present = "steps")]
    preset: Option<String>,
    /// File with steps, JSON.
    #[arg(long)]
    steps: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Status {
    /// All of them by default.
    name: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Step {
    name: String,
    /// Why; it is kept with the release.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        match args.command {
            Command::Start(args) => start(args).await,
            Command::Status(args) => status(args).await,
            Command::Advance(args) => step(args, "AdvanceRelease").await,
            Command::Hold(args) => step(args, "HoldRelease").await,
            Command::Resume(args) => step(args, "ResumeRelease").await,
            Command::Rollback(args) => step(args, "RollBackRelease").await,
        }
    })
}

async fn start(args: Start) -> Result<ExitCode, Failure> {
    let (function, alias) = args.of.split_once(':').ok_or("--of: FUNCTION:ALIAS")?;
    let mut input = Map::new();
    for (name, value) in [
        ("Name", args.name.as_str()),
        ("FunctionName", function),
        ("Alias", alias),
        ("ToVersion", &args.to),
    ] {
        input.insert(name.to_owned(), value.into());
    }
    if let Some(preset) = &args.preset {
        input.insert("Preset".to_owned(), preset.clone().into());
    }
    if let Some(path) = &args.steps {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let steps = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        input.insert("Steps".to_owned(), steps);
    }
    show(&args.target, "StartRelease", input.into()).await
}

async fn step(args: Step, operation: &str) -> Result<ExitCode, Failure> {
    show(&args.target, operation, json!({"Name": args.name, "Reason": args.reason})).await
}

async fn show(target: &Target, operation: &str, input: Value) -> Result<ExitCode, Failure> {
    let answer = Client::new(target)?.call("release", operation, input).await?;
    let release = answer.get("Release").cloned().unwrap_or_default();
    match target.json {
        true => say(&release.to_string()),
        false => picture(&release).iter().for_each(|line| say(line)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(args: Status) -> Result<ExitCode, Failure> {
    if let Some(name) = args.name {
        return show(&args.target, "DescribeRelease", json!({"Name": name})).await;
    }
    let client = Client::new(&args.target)?;
    let answer = client.call("release", "ListReleases", json!({"MaxResults": 100})).await?;
    let releases = answer.get("Releases").and_then(Value::as_array).cloned().unwrap_or_default();
    if args.target.json {
        say(&Value::from(releases).to_string());
    } else if releases.is_empty() {
        note("no releases");
    } else {
        releases.iter().flat_map(picture).for_each(|line| say(&line));
    }
    Ok(ExitCode::SUCCESS)
}

/// The ladder, a rung a line.
fn picture(release: &Value) -> Vec<String> {
    let text = |name: &str| release.get(name).and_then(Value::as_str).unwrap_or_default();
    let state = text("State");
    let colour = match state {
        "PROMOTED" | "FINISHED" => Colour::Green,
        "ROLLED_BACK" => Colour::Red,
        _ => Colour::Yellow,
    };
    let mut lines = vec![format!(
        "{}  {}  {}:{} {} → {}  {}",
        paint(Colour::Bold, text("Name")),
        paint(colour, state),
        text("FunctionName"),
        text("Alias"),
        text("FromVersion"),
        text("ToVersion"),
        paint(Colour::Dim, text("StateReason")),
    )];
    let at = release.get("StepIndex").and_then(Value::as_u64).unwrap_or(0);
    let steps = release.get("Steps").and_then(Value::as_array).cloned().unwrap_or_default();
    let waits: Vec<&str> = release
        .get("Waits")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (index, step) in (0_u64..).zip(&steps) {
        let kind = step.get("Kind").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let share = step.get("Share").and_then(Value::as_f64);
        let share = share.map(|share| format!(" {:.0} %", share * 100.0)).unwrap_or_default();
        let name = format!("{kind}{share}");
        let is_over = state != "RUNNING" && state != "HELD";
        let done = index < at || (index == at && matches!(state, "PROMOTED" | "FINISHED"));
        let (mark, note) = match () {
            () if done => (paint(Colour::Green, "✓"), String::new()),
            () if index == at && is_over => {
                (paint(Colour::Red, "✗"), text("StateReason").to_owned())
            }
            () if index == at => (paint(Colour::Yellow, "●"), waits.join("; ")),
            () => (paint(Colour::Dim, "○"), String::new()),
        };
        lines.push(
            format!("  {mark} {name:<14} {}", paint(Colour::Dim, &note)).trim_end().to_owned(),
        );
    }
    lines
}
