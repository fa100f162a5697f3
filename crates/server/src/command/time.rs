//! `undercast time`: the clock of the cloud.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Target, block_on};
use crate::terminal::{Failure, say};

/// Shows the clock of the cloud, or moves it forward: schedules come due, items and messages expire.
///
/// Functions in the middle of their work and their own clocks are not moved. There is no way back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Moves the clock forward.
    Advance {
        /// How far: `90s`, `15m`, `2h`, `1d`, `1d12h`.
        #[arg(value_parser = duration)]
        by: Duration,
    },
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    block_on(async {
        let client = Client::new(&args.target)?;
        let answer = match &args.command {
            None => client.get("/_undercast/control/time").await?,
            Some(Command::Advance { by }) => {
                let path = format!("/_undercast/control/time?advance_ms={}", by.as_millis());
                client.post(&path).await?
            }
        };
        if args.target.json {
            say(&answer.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let time = answer.get("time").and_then(Value::as_str).unwrap_or_default();
        match answer.get("moved_ms").and_then(Value::as_u64).unwrap_or_default() {
            0 => say(time),
            moved => say(&format!("{time}  (moved by {})", spoken(moved / 1000))),
        }
        Ok(ExitCode::SUCCESS)
    })
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

fn duration(text: &str) -> Result<Duration, Failure> {
    let unclear = || format!("{text:?} is no duration: say 90s, 15m, 2h, 1d or 1d12h");
    let (mut seconds, mut number) = (0_u64, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == letter).ok_or_else(unclear)?;
        let count: u64 = number.parse().map_err(|_| unclear())?;
        let part = count.checked_mul(*unit).ok_or_else(unclear)?;
        seconds = seconds.checked_add(part).ok_or_else(unclear)?;
        number.clear();
    }
    match number.is_empty() && !text.is_empty() {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(unclear()),
    }
}

fn spoken(mut seconds: u64) -> String {
    let mut out = String::new();
    for (name, unit) in UNITS {
        if seconds >= unit {
            out.push_str(&format!("{}{name}", seconds / unit));
            seconds %= unit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_spoken() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1d12h", 129_600)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for text in
            ["", "5", "h", "-1h", "1y", "1h5", "99999999999999999999d", "9999999999999999999d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(spoken(129_661), "1d12h1m1s");
    }
}
