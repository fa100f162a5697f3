//! `tidy`: what no compiler checks: module docs, file sizes, the arrows between crates, banned words.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::model::{list, text};
use crate::{Failure, read};

const LINES_MAX: usize = 800;
/// Crates that no service may depend on, beside other services.
const ABOVE_SERVICES: &[&str] = &["undercast-wire", "undercast-server", "hyper", "axum"];
const SERVICES: &[&str] = &[
    "undercast-iam",
    "undercast-sqs",
    "undercast-dynamodb",
    "undercast-s3",
    "undercast-lambda",
    "undercast-apigateway",
    "undercast-cloudwatch",
    "undercast-logs",
    "undercast-support",
    "undercast-cloudformation",
    "undercast-patterns",
];

pub(crate) fn run(root: &Path) -> Result<String, Failure> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files);
    files.sort();
    for file in &files {
        check_file(root, file, &mut faults)?;
    }
    check_arrows(root, &mut faults)?;
    if faults.is_empty() {
        Ok(format!("tidy: {} files", files.len()))
    } else {
        Err(format!("tidy found:\n  {}", faults.join("\n  ")))
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn check_file(root: &Path, path: &Path, faults: &mut Vec<String>) -> Result<(), Failure> {
    let source = read(path)?;
    let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let generated = shown.contains("/src/api/");
    let lines = source.lines().count();
    if !generated && lines > LINES_MAX {
        faults.push(format!("{shown}: {lines} lines, at most {LINES_MAX}"));
    }
    let documented = shown.ends_with("/lib.rs") || shown.contains("/operations/");
    if documented && !source.starts_with("//!") {
        faults.push(format!("{shown}: does not open with `//!`"));
    }
    for word in [concat!("FIX", "ME"), concat!("XX", "X:"), concat!("TO", "DO")] {
        if source.contains(word) {
            faults.push(format!("{shown}: contains {word}"));
        }
    }
    Ok(())
}

/// No service knows another service, the wire or an HTTP library; `store` knows nothing of AWS.
fn check_arrows(root: &Path, faults: &mut Vec<String>) -> Result<(), Failure> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    for package in list(&metadata, "packages") {
        let name = text(package, "name").unwrap_or_default();
        let runtime =
            list(package, "dependencies").iter().filter(|d| d.get("kind") == Some(&Value::Null));
        for dependency in runtime.filter_map(|d| text(d, "name")) {
            let service = SERVICES.contains(&name);
            let sideways =
                service && (SERVICES.contains(&dependency) || ABOVE_SERVICES.contains(&dependency));
            let upward = name == "undercast-store" && dependency.starts_with("undercast-")
                || name == "undercast-smithy" && dependency.starts_with("undercast-")
                || name == "undercast-kernel"
                    && (SERVICES.contains(&dependency) || ABOVE_SERVICES.contains(&dependency));
            if sideways || upward {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
            if dependency.starts_with("aws-sdk-") {
                faults.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    Ok(())
}
