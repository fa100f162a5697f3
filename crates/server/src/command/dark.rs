//! `undercast dark`: new code on real traffic, its side effects held back.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::client::{Client, Target, block_on, pause};
use crate::terminal::{Colour, Failure, is_terminal, note, paint, rewind, say, table};

const LOOK: Duration = Duration::from_millis(500);
const BAR: usize = 30;
const NEWEST: usize = 8;

/// Runs new code in the dark, on real traffic: the answer comes from the old code, always, and what the new
/// code does is held back and compared.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Gives a candidate what a target gets, from now on.
    Start(Start),
    /// Shows a run live: rates, share of matches, latencies of both, the newest kinds of difference.
    Watch(Watch),
    /// Lists the kinds of difference that a run has found.
    Diff(Named),
    /// Shows a run, or one of its differences with samples.
    Show(Show),
    /// Gives a candidate once more what made it differ.
    Replay(Replay),
    /// Stops a run; what it found stays.
    Stop(Named),
    /// Lists all runs.
    Ls(All),
}

#[derive(Debug, clap::Args)]
struct Start {
    name: String,
    /// What is watched: `FUNCTION:ALIAS`, `API/STAGE`, `API/STAGE/ROUTE KEY` or `mapping:UUID`.
    #[arg(long)]
    of: String,
    /// Who is tried: `FUNCTION:VERSION`, `API/STAGE` or an address.
    #[arg(long)]
    candidate: String,
    /// Share of the requests, from 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
    /// File with rules of comparison, JSON.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Milliseconds that the candidate may take.
    #[arg(long)]
    budget_ms: Option<u32>,
    /// How many candidates may run at a time.
    #[arg(long)]
    concurrency: Option<u32>,
    /// Host outside that the candidate may call; may be repeated.
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,
    /// Keep that many passages, to be run again later.
    #[arg(long, value_name = "N")]
    record: Option<u32>,
    /// Host outside whose answers to the primary the candidate gets again; may be repeated.
    #[arg(long, value_name = "HOST")]
    repeat: Vec<String>,
    /// Run it even where its calls could reach live data or the outside.
    #[arg(long)]
    accept_leaks: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Named {
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct All {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Watch {
    name: String,
    /// One look, then end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Show {
    name: String,
    /// Id of a difference.
    difference: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Replay {
    name: String,
    /// Id of a difference.
    difference: String,
    /// Another candidate: `FUNCTION:VERSION`, `API/STAGE` or an address.
    #[arg(long)]
    candidate: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        match args.command {
            Command::Start(args) => start(args).await,
            Command::Watch(args) => watch(args).await,
            Command::Diff(args) => diff(args).await,
            Command::Show(args) => show(args).await,
            Command::Replay(args) => replay(args).await,
            Command::Stop(args) => stop(args).await,
            Command::Ls(args) => ls(args).await,
        }
    })
}

async fn call(client: &Client, operation: &str, input: Value) -> Result<Value, Failure> {
    Ok(client.call("release", operation, input).await?)
}

/// `f:2` as an ARN.
fn function(target: &Target, text: &str) -> Value {
    let arn = match text.starts_with("arn:") {
        true => text.to_owned(),
        false => format!("arn:aws:lambda:{}:{}:function:{text}", target.region, target.account),
    };
    json!({"FunctionArn": arn})
}

fn watched(target: &Target, text: &str) -> Value {
    if let Some(uuid) = text.strip_prefix("mapping:") {
        return json!({"EventSourceMapping": uuid});
    }
    match text.split_once('/').filter(|_| !text.starts_with("arn:")) {
        None => function(target, text),
        Some((api, rest)) => {
            let (stage, route) = match rest.split_once('/') {
                Some((stage, route)) => (stage, Some(route)),
                None => (rest, None),
            };
            json!({"ApiId": api, "Stage": stage, "Route": route})
        }
    }
}

fn tried(target: &Target, text: &str) -> Value {
    if text.starts_with("http://") || text.starts_with("https://") {
        return json!({"Url": text});
    }
    match text.split_once('/').filter(|_| !text.starts_with("arn:")) {
        None => function(target, text),
        Some((api, stage)) => json!({"ApiId": api, "Stage": stage}),
    }
}

async fn start(args: Start) -> Result<ExitCode, Failure> {
    let mut input = Map::new();
    let mut set = |name: &str, value: Value| input.insert(name.to_owned(), value);
    set("Name", args.name.clone().into());
    set("Target", watched(&args.target, &args.of));
    set("Candidate", tried(&args.target, &args.candidate));
    set("SampleShare", args.share.into());
    set("AcceptLeaks", args.accept_leaks.into());
    set("Limits", json!({"TimeBudgetMs": args.budget_ms, "ConcurrencyMax": args.concurrency}));
    if let Some(path) = &args.rules {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let rules = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        set("Rules", rules);
    }
    let rule = |host: &String, action| json!({"Host": host, "Action": action});
    let allowed = args.allow.iter().map(|host| rule(host, "Allow"));
    let repeated = args.repeat.iter().map(|host| rule(host, "Repeat"));
    set("Outside", allowed.chain(repeated).collect());
    if let Some(pairs) = args.record {
        set("Recording", json!({"PairsMax": pairs}));
    }
    let client = Client::new(&args.target)?;
    let answer = call(&client, "StartDarkRun", input.into()).await?;
    if args.target.json {
        say(&answer.to_string());
    } else {
        note(&format!("{} runs in the dark: undercast dark watch {}", args.candidate, args.name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn describe(client: &Client, name: &str) -> Result<Value, Failure> {
    let mut answer = call(client, "DescribeDarkRun", json!({"Name": name})).await?;
    Ok(answer.get_mut("DarkRun").map(Value::take).unwrap_or_default())
}

async fn kinds(client: &Client, name: &str, order: &str, n: usize) -> Result<Vec<Value>, Failure> {
    let input = json!({"Name": name, "Order": order, "MaxResults": n});
    let answer = call(client, "ListDifferences", input).await?;
    Ok(answer.get("Differences").and_then(Value::as_array).cloned().unwrap_or_default())
}

async fn watch(args: Watch) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    let mut drawn = 0;
    let mut before: Option<(u64, u64)> = None;
    let mut shown = String::new();
    loop {
        let run = describe(&client, &args.name).await?;
        let newest = kinds(&client, &args.name, "NEWEST", NEWEST).await?;
        let counts = (number(&run, "/Summary/Seen"), number(&run, "/Summary/Executed"));
        let rate = before.map(|before| {
            let seconds = LOOK.as_secs_f64();
            (
                (counts.0 - before.0.min(counts.0)) as f64 / seconds,
                (counts.1 - before.1.min(counts.1)) as f64 / seconds,
            )
        });
        before = Some(counts);
        let is_over = args.once || run.get("State").and_then(Value::as_str) == Some("STOPPED");
        if args.target.json {
            let line = json!({"DarkRun": run, "Newest": newest}).to_string();
            if line != shown {
                say(&line);
                shown = line;
            }
        } else {
            let lines = picture(&run, &newest, rate);
            if is_terminal() {
                rewind(drawn);
                lines.iter().for_each(|line| say(line));
                drawn = lines.len();
            } else {
                // Piped: a line whenever something has changed.
                let line = lines.get(1..3).unwrap_or_default().join("  ");
                if line != shown || is_over {
                    say(&line);
                    shown = line;
                }
            }
        }
        if is_over {
            return Ok(ExitCode::SUCCESS);
        }
        pause(LOOK).await;
    }
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The end of an ARN, or the other names of a target or candidate.
fn named(value: &Value) -> String {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    if let Some(arn) = part("FunctionArn") {
        return arn.split_once(":function:").map_or(arn, |(_, rest)| rest).to_owned();
    }
    if let Some(url) = part("Url") {
        return url.to_owned();
    }
    if let Some(uuid) = part("EventSourceMapping") {
        return format!("mapping:{uuid}");
    }
    let route = part("Route").map(|route| format!("/{route}")).unwrap_or_default();
    format!("{}/{}{route}", part("ApiId").unwrap_or_default(), part("Stage").unwrap_or_default())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A run as a person wants to see it.
fn picture(run: &Value, newest: &[Value], rate: Option<(f64, f64)>) -> Vec<String> {
    let share = |name: &str| run.pointer(&format!("/Summary/{name}")).and_then(Value::as_f64);
    let state = text(run, "/State");
    let colour = match state {
        "RUNNING" => Colour::Green,
        "PAUSED" => Colour::Yellow,
        _ => Colour::Dim,
    };
    let mut lines = vec![format!(
        "{}  {}  {} → {}  {}",
        paint(Colour::Bold, text(run, "/Name")),
        paint(colour, state),
        named(run.get("Target").unwrap_or(&Value::Null)),
        named(run.get("Candidate").unwrap_or(&Value::Null)),
        paint(Colour::Dim, text(run, "/StateReason")),
    )];
    let shed: Vec<String> = run
        .pointer("/Summary/Shed")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    let rate =
        rate.map(|(seen, executed)| format!("   {seen:.0}/s seen, {executed:.0}/s in the dark"));
    lines.push(format!(
        "seen {}   executed {} of {} ({}){}{}",
        number(run, "/Summary/Seen"),
        number(run, "/Summary/Executed"),
        number(run, "/Summary/Sampled"),
        percent(share("ExecutedShare")),
        if shed.is_empty() { String::new() } else { format!("   shed: {}", shed.join(", ")) },
        rate.unwrap_or_default(),
    ));
    let matched = share("MatchRate");
    lines.push(format!(
        "match {} {}   matched {}, differed {}, failed {}",
        bar(matched),
        percent(matched),
        number(run, "/Summary/Matched"),
        number(run, "/Summary/Differed"),
        number(run, "/Summary/CandidateFailed"),
    ));
    lines.push(paint(Colour::Dim, "                p50        p90        p99"));
    for (side, name) in [("primary", "PrimaryLatency"), ("candidate", "CandidateLatency")] {
        let ms = |q: &str| {
            let value = run.pointer(&format!("/Summary/{name}/{q}")).and_then(Value::as_f64);
            value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1} ms"))
        };
        lines.push(format!(
            "{side:<10} {:>10} {:>10} {:>10}",
            ms("P50Ms"),
            ms("P90Ms"),
            ms("P99Ms")
        ));
    }
    if !newest.is_empty() {
        lines.push(paint(Colour::Bold, "newest differences"));
    }
    for kind in newest {
        let colour = if text(kind, "/Severity") == "Count" { Colour::Red } else { Colour::Yellow };
        lines.push(format!(
            "  {}  {:>7}  {}  {}",
            text(kind, "/Id"),
            number(kind, "/Count"),
            paint(colour, &format!("{:<14}", text(kind, "/Class"))),
            text(kind, "/Description"),
        ));
    }
    lines
}

fn bar(share: Option<f64>) -> String {
    let share = share.unwrap_or(0.0);
    let full = ((share * BAR as f64).floor() as usize).min(BAR);
    let colour = if share >= 1.0 { Colour::Green } else { Colour::Yellow };
    format!("{}{}", paint(colour, &"█".repeat(full)), paint(Colour::Dim, &"░".repeat(BAR - full)))
}

async fn diff(args: Named) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    let found = kinds(&client, &args.name, "MOST_FREQUENT", 100).await?;
    if args.target.json {
        say(&Value::from(found).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        note("no differences");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|kind| {
            let part = |name: &str| text(kind, name).to_owned();
            let count = number(kind, "/Count").to_string();
            vec![part("/Id"), count, part("/Severity"), part("/Class"), part("/Description")]
        })
        .collect();
    table(&["id", "pairs", "severity", "class", "what"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn show(args: Show) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    let Some(id) = args.difference else {
        let run = describe(&client, &args.name).await?;
        if args.target.json {
            say(&run.to_string());
        } else {
            picture(&run, &[], None).iter().for_each(|line| say(line));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let input = json!({"Name": args.name, "DifferenceId": id});
    let answer = call(&client, "DescribeDifference", input).await?;
    if args.target.json {
        say(&answer.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(&paint(Colour::Bold, text(&answer, "/Difference/Description")));
    say(&format!("{} pairs", number(&answer, "/Difference/Count")));
    for sample in answer.get("Samples").and_then(Value::as_array).into_iter().flatten() {
        say("");
        for (name, colour) in
            [("Request", Colour::Dim), ("Primary", Colour::Green), ("Candidate", Colour::Red)]
        {
            let value = sample.get(name).and_then(Value::as_str).unwrap_or("nothing");
            say(&format!("{:<10} {}", name.to_lowercase(), paint(colour, value)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(args: Replay) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    let candidate = args.candidate.as_deref().map(|text| tried(&args.target, text));
    let input = json!({"Name": args.name, "DifferenceId": args.difference, "Candidate": candidate});
    let answer = call(&client, "ReplayDifference", input).await?;
    let verdict = answer.get("Verdict").cloned().unwrap_or_default();
    let matches = verdict.get("Matches").and_then(Value::as_bool) == Some(true);
    if args.target.json {
        say(&verdict.to_string());
    } else {
        say(&match matches {
            true => paint(Colour::Green, "matches"),
            false => paint(Colour::Red, "differs"),
        });
        for found in verdict.get("Differences").and_then(Value::as_array).into_iter().flatten() {
            let part = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or("nothing");
            say(&format!("  {}", part("Description")));
            say(&format!("    primary   {}", paint(Colour::Green, part("Primary"))));
            say(&format!("    candidate {}", paint(Colour::Red, part("Candidate"))));
        }
    }
    Ok(if matches { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn stop(args: Named) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    call(&client, "StopDarkRun", json!({"Name": args.name})).await?;
    note(&format!("{} is stopped", args.name));
    Ok(ExitCode::SUCCESS)
}

async fn ls(args: All) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.target)?;
    let mut runs = Vec::new();
    let mut token = Value::Null;
    loop {
        let answer = call(&client, "ListDarkRuns", json!({"NextToken": token})).await?;
        runs.extend(answer.get("DarkRuns").and_then(Value::as_array).cloned().unwrap_or_default());
        match answer.get("NextToken") {
            Some(next) if !next.is_null() => token = next.clone(),
            _ => break,
        }
    }
    if args.target.json {
        say(&Value::from(runs).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let of = |name: &str| named(run.get(name).unwrap_or(&Value::Null));
            vec![
                text(run, "/Name").to_owned(),
                text(run, "/State").to_owned(),
                of("Target"),
                of("Candidate"),
            ]
        })
        .collect();
    table(&["name", "state", "watched", "candidate"], &rows);
    Ok(ExitCode::SUCCESS)
}
