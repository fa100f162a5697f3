//! The lines and payloads that the platform itself writes, worded as AWS words them.

use bytes::Bytes;
use serde_json::json;

use crate::clock::iso;
use crate::function::Function;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Code(0) => write!(f, "Runtime exited without providing a reason"),
            Self::Code(code) => write!(f, "Runtime exited with error: exit status {code}"),
            Self::Signal(signal) => {
                write!(f, "Runtime exited with error: signal: {}", signal_name(signal))
            }
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// What one invocation used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Metrics {
    pub(crate) duration_ms: f64,
    pub(crate) init_ms: Option<f64>,
    pub(crate) memory_used_mb: u32,
}

impl Metrics {
    /// Initialization is billed since August 2025.
    pub(crate) fn billed_ms(&self) -> u64 {
        let whole = (self.duration_ms + self.init_ms.unwrap_or(0.0)).ceil();
        // Durations are bounded by 15 minutes and never negative.
        whole.max(1.0) as u64
    }
}

/// How an invocation ended, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    Success,
    /// The handler answered with an error: no status in the text format.
    HandlerError(&'a str),
    /// The process ended or could not start.
    Failure(&'a str),
    Timeout,
}

/// Writes platform lines in the format of one function.
pub(crate) struct Platform<'a> {
    pub(crate) function: &'a Function,
}

impl Platform<'_> {
    fn event(unix_ms: u64, kind: &str, record: serde_json::Value) -> String {
        let mut line = json!({"time": iso(unix_ms), "type": kind, "record": record}).to_string();
        line.push('\n');
        line
    }

    /// Whether platform events of INFO level are wanted.
    fn info(&self) -> bool {
        !matches!(self.function.system_log_level.as_deref(), Some("WARN"))
    }

    pub(crate) fn init_start(&self, unix_ms: u64) -> Option<String> {
        let f = self.function;
        let version = runtime_version(&f.runtime);
        let id = blake3::hash(version.as_bytes()).to_hex();
        let arn = format!("arn:aws:lambda:{}::runtime:{id}", f.region);
        if !f.json_logs {
            return Some(format!(
                "INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n"
            ));
        }
        self.info().then(|| {
            let record = json!({
                "initializationType": "on-demand", "phase": "init", "runtimeVersion": version,
                "runtimeVersionArn": arn, "functionName": f.name, "functionVersion": f.version,
            });
            Self::event(unix_ms, "platform.initStart", record)
        })
    }

    /// A failed init phase that will be tried once more.
    pub(crate) fn init_report(&self, unix_ms: u64, init_ms: f64, failure: &str) -> String {
        let timeout = failure == "timeout";
        if !self.function.json_logs {
            let status = if timeout {
                "Status: timeout".to_owned()
            } else {
                format!("Status: error\tError Type: {failure}")
            };
            return format!("INIT_REPORT Init Duration: {init_ms:.2} ms\tPhase: init\t{status}\n");
        }
        let mut record = json!({
            "initializationType": "on-demand", "phase": "init",
            "metrics": {"durationMs": round(init_ms)},
            "status": if timeout { "timeout" } else { "error" },
        });
        if let (false, Some(fields)) = (timeout, record.as_object_mut()) {
            fields.insert("errorType".into(), failure.into());
        }
        Self::event(unix_ms, "platform.initReport", record)
    }

    pub(crate) fn start(&self, unix_ms: u64, request_id: &str) -> Option<String> {
        let version = &self.function.version;
        if !self.function.json_logs {
            return Some(format!("START RequestId: {request_id} Version: {version}\n"));
        }
        self.info().then(|| {
            Self::event(
                unix_ms,
                "platform.start",
                json!({"requestId": request_id, "version": version}),
            )
        })
    }

    /// The lines that close an invocation.
    pub(crate) fn end(
        &self,
        unix_ms: u64,
        request_id: &str,
        outcome: Outcome<'_>,
        metrics: &Metrics,
        trace_id: Option<&str>,
    ) -> Vec<String> {
        if self.function.json_logs {
            let wanted =
                self.info() || !matches!(outcome, Outcome::Success | Outcome::HandlerError(_));
            return wanted
                .then(|| self.report_json(unix_ms, request_id, outcome, metrics, trace_id))
                .into_iter()
                .collect();
        }
        let mut report = format!(
            "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            metrics.duration_ms,
            metrics.billed_ms(),
            self.function.memory_mb,
            metrics.memory_used_mb,
        );
        if let Some(init_ms) = metrics.init_ms {
            report.push_str(&format!("Init Duration: {init_ms:.2} ms\t"));
        }
        if let Some(trace_id) = trace_id.filter(|_| self.function.trace_active) {
            report.push_str(&xray(trace_id));
        }
        match outcome {
            Outcome::Timeout => report.push_str("Status: timeout"),
            Outcome::Failure(kind) => {
                report.push_str(&format!("Status: error\tError Type: {kind}"))
            }
            Outcome::Success | Outcome::HandlerError(_) => {}
        }
        report.push('\n');
        vec![format!("END RequestId: {request_id}\n"), report]
    }

    fn report_json(
        &self,
        unix_ms: u64,
        request_id: &str,
        outcome: Outcome<'_>,
        metrics: &Metrics,
        trace_id: Option<&str>,
    ) -> String {
        let mut numbers = json!({
            "durationMs": round(metrics.duration_ms), "billedDurationMs": metrics.billed_ms(),
            "memorySizeMB": self.function.memory_mb, "maxMemoryUsedMB": metrics.memory_used_mb,
        });
        if let (Some(init_ms), Some(fields)) = (metrics.init_ms, numbers.as_object_mut()) {
            fields.insert("initDurationMs".into(), round(init_ms).into());
        }
        let mut record = json!({"requestId": request_id, "metrics": numbers});
        if let Some(fields) = record.as_object_mut() {
            if let Some(trace_id) = trace_id.filter(|_| self.function.trace_active) {
                fields.insert(
                    "tracing".into(),
                    json!({"type": "X-Amzn-Trace-Id", "value": trace_id}),
                );
            }
            let (status, kind) = match outcome {
                Outcome::Success => ("success", None),
                Outcome::HandlerError(kind) => ("error", Some(kind)),
                Outcome::Failure(kind) => ("failure", Some(kind)),
                Outcome::Timeout => ("timeout", None),
            };
            fields.insert("status".into(), status.into());
            if let Some(kind) = kind {
                fields.insert("errorType".into(), kind.into());
            }
        }
        Self::event(unix_ms, "platform.report", record)
    }

    /// The line that says why, before the report.
    pub(crate) fn timed_out(&self, unix_ms: u64, request_id: &str, timeout_ms: f64) -> String {
        format!(
            "{} {request_id} Task timed out after {:.2} seconds\n\n",
            iso(unix_ms),
            timeout_ms / 1000.0
        )
    }

    pub(crate) fn exited(request_id: &str, exit: &str, kind: &str) -> String {
        format!("RequestId: {request_id} Error: {exit}\n{kind}\n")
    }
}

fn xray(trace_id: &str) -> String {
    let part = |name: &str| {
        trace_id
            .split(';')
            .find_map(|part| part.trim().strip_prefix(name))
            .unwrap_or_default()
            .to_owned()
    };
    let sampled = part("Sampled=") == "1";
    format!(
        "\nXRAY TraceId: {}\tSegmentId: {}\tSampled: {sampled}\t",
        part("Root="),
        part("Parent=")
    )
}

/// `nodejs20.x` is `nodejs:20.v1`, as AWS names its runtime versions.
fn runtime_version(runtime: &str) -> String {
    let split = runtime.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(runtime.len());
    let (name, version) = runtime.split_at(split);
    let version = version.trim_start_matches('.').trim_end_matches(".x");
    format!("{name}:{version}.v1")
}

fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// `{"errorType": …, "errorMessage": "RequestId: … Error: …"}`.
pub(crate) fn failure(kind: &str, request_id: &str, reason: &str) -> Bytes {
    let message = format!("RequestId: {request_id} Error: {reason}");
    Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
}

pub(crate) fn timeout_reason(timeout_ms: f64) -> String {
    format!("Task timed out after {:.2} seconds", timeout_ms / 1000.0)
}

pub(crate) fn too_large(bytes_max: usize) -> (&'static str, Bytes) {
    let kind = "Function.ResponseSizeTooLarge";
    let message =
        format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    (kind, Bytes::from(json!({"errorMessage": message, "errorType": kind}).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> Function {
        Function { version: "$LATEST".into(), memory_mb: 128, ..Function::default() }
    }

    #[test]
    fn report_is_the_line_that_aws_prints() {
        let function = function();
        let platform = Platform { function: &function };
        let metrics = Metrics { duration_ms: 1.234, init_ms: Some(100.4), memory_used_mb: 40 };
        let lines = platform.end(0, "id", Outcome::Success, &metrics, None);
        assert_eq!(
            lines,
            [
                "END RequestId: id\n",
                "REPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tInit Duration: 100.40 ms\t\n",
            ]
        );
        let timeout = platform.end(0, "id", Outcome::Timeout, &Metrics::default(), None);
        assert!(timeout.iter().any(|line| line.ends_with("MB\tStatus: timeout\n")));
    }

    #[test]
    fn exits_are_worded_as_aws_words_them() {
        assert_eq!(Exit::Code(1).to_string(), "Runtime exited with error: exit status 1");
        assert_eq!(Exit::Code(0).to_string(), "Runtime exited without providing a reason");
        assert_eq!(Exit::Signal(9).to_string(), "Runtime exited with error: signal: killed");
    }

    #[test]
    fn runtimes_are_versioned() {
        assert_eq!(runtime_version("nodejs20.x"), "nodejs:20.v1");
        assert_eq!(runtime_version("python3.13"), "python:3.13.v1");
        assert_eq!(runtime_version("provided.al2023"), "provided:al2023.v1");
    }

    #[test]
    fn json_report_carries_metrics_and_status() {
        let function = Function { json_logs: true, ..function() };
        let platform = Platform { function: &function };
        let lines =
            platform.end(0, "id", Outcome::Failure("Runtime.ExitError"), &Metrics::default(), None);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["type"], "platform.report");
        assert_eq!(line["record"]["status"], "failure");
        assert_eq!(line["record"]["metrics"]["memorySizeMB"], 128);
    }
}
