//! Chores of the workspace: `cargo xtask codegen [--check] [model…]`, `cargo xtask vendor-model`,
//! `cargo xtask tidy`, `cargo xtask docs [--check]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod codegen;
mod docs;
mod model;
mod names;
mod tidy;
mod vendor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Any failure, as a sentence.
pub(crate) type Failure = String;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let check = args.iter().any(|a| a == "--check");
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    let root = root();
    let result = match words.split_first() {
        Some((&"codegen", models)) => codegen::run(&root, models, check),
        Some((&"vendor-model", [data, models @ ..])) => vendor::run(&root, Path::new(data), models),
        Some((&"tidy", [])) => tidy::run(&root),
        Some((&"docs", [])) => docs::run(&root, check),
        _ => Err("usage: cargo xtask codegen [--check] [MODEL…] | vendor-model BOTOCORE_DATA_DIR \
                  MODEL… | tidy | docs [--check]"
            .to_owned()),
    };
    match result {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
