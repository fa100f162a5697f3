//! What the sandbox costs: warm invocations and cold starts against the same runtime client driven by a bare stub.
//!
//! `cargo run --release --example overhead` prints one line per runtime.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use undercast_sandbox::{
    Answer, Credentials, Endpoint, Function, Host, Invocation, IsolationChoice, LogLine, Options, Sandbox,
};

const WARM: usize = 3000;
const COLD: usize = 20;

struct Quiet;

impl Host for Quiet {
    fn credentials(&self, _: &Function) -> Credentials {
        Credentials::default()
    }
    fn log(&self, _: &Function, _: &str, _: Vec<LogLine>) {}
}

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(undercast_sandbox::launcher::ARGUMENT) {
        return undercast_sandbox::launcher_main(arguments);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
    std::process::ExitCode::SUCCESS
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    for (runtime, file, code) in [
        ("nodejs20.x", "index.js", "exports.handler = async () => 1;"),
        ("python3.11", "index.py", "def handler(e, c):\n    return 1\n"),
    ] {
        let code_dir = dir.path().join(runtime);
        std::fs::create_dir_all(&code_dir).unwrap();
        std::fs::write(code_dir.join(file), code).unwrap();
        for isolation in [IsolationChoice::Auto, IsolationChoice::Process] {
            let mut options =
                Options::new(dir.path().join("sandbox"), std::env::current_exe().unwrap(), Endpoint::default());
            options.isolation = isolation;
            let sandbox = Sandbox::new(options).unwrap();
            println!("{runtime}: {}", sandbox.isolation());
            let function = function(runtime, &code_dir);
            let (warm, cold) = through_sandbox(&sandbox, &function).await;
            let stub = dir.path().join("sandbox/runtime");
            let (bare_warm, bare_cold) = bare(runtime, &stub, &code_dir);
            report("warm", &warm, &bare_warm);
            report("cold", &cold, &bare_cold);
        }
    }
}

fn function(runtime: &str, code: &Path) -> Function {
    Function {
        key: runtime.into(),
        arn: "arn:aws:lambda:eu-west-1:000000000000:function:f".into(),
        name: "f".into(),
        version: "$LATEST".into(),
        runtime: runtime.into(),
        handler: "index.handler".into(),
        code: code.to_path_buf(),
        memory_mb: 512,
        timeout: Duration::from_secs(10),
        tmp_mb: 512,
        region: "eu-west-1".into(),
        ..Function::default()
    }
}

async fn through_sandbox(sandbox: &Sandbox, function: &Function) -> (Vec<f64>, Vec<f64>) {
    let host: Arc<dyn Host> = Arc::new(Quiet);
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    let invocation = |n: usize| Invocation {
        request_id: format!("request-{n}"),
        payload: Bytes::from_static(b"{\"hello\":\"world\"}"),
        invoked_arn: function.arn.clone(),
        ..Invocation::default()
    };
    for n in 0..COLD {
        let fresh = Arc::new(Function { key: format!("cold-{n}"), ..function.clone() });
        let since = Instant::now();
        let answer: Answer = sandbox.invoke(&fresh, invocation(n), &host).await.unwrap();
        cold.push(ms(since));
        assert!(!answer.status.is_error());
        sandbox.retire(&fresh.key);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let warm_function = Arc::new(function.clone());
    for n in 0..WARM + 100 {
        let (function, host) = (Arc::clone(&warm_function), Arc::clone(&host));
        let (sandbox, invocation) = (sandbox.clone(), invocation(n));
        // As a server would: from a task on a worker.
        let time = tokio::spawn(async move {
            let since = Instant::now();
            sandbox.invoke(&function, invocation, &host).await.unwrap();
            ms(since)
        });
        let time = time.await.unwrap();
        if n >= 100 {
            warm.push(time);
        }
    }
    assert_eq!(sandbox.instances().iter().filter(|i| i.key == function.key).count(), 1);
    sandbox.retire(&function.key);
    (warm, cold)
}

/// The same client without anything around it: a blocking loop on a socket.
fn bare(runtime: &str, client: &Path, code: &Path) -> (Vec<f64>, Vec<f64>) {
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for n in 0..COLD {
        let since = Instant::now();
        let (mut stub, mut child) = start(runtime, client, code);
        stub.invoke();
        cold.push(ms(since));
        if n + 1 == COLD {
            stub.next();
            for round in 0..WARM + 100 {
                let since = Instant::now();
                stub.invoke_now();
                if round >= 100 {
                    warm.push(ms(since));
                }
                stub.next();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    (warm, cold)
}

fn start(runtime: &str, client: &Path, code: &Path) -> (Stub, Child) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = if runtime.starts_with("node") {
        let mut command = Command::new(which("node"));
        command.arg("--max-old-space-size=460").arg(client.join("index.cjs"));
        command
    } else {
        let mut command = Command::new(which("python3"));
        command.arg(client.join("bootstrap.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let child = command
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("LAMBDA_TASK_ROOT", code)
        .env("LAMBDA_RUNTIME_DIR", client)
        .env("_HANDLER", "index.handler")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    (Stub { stream, buffer: vec![0; 65536] }, child)
}

/// The real interpreter behind a version manager's shim.
fn which(name: &str) -> PathBuf {
    let script = if name == "node" { ("-p", "process.execPath") } else { ("-c", "import sys; print(sys.executable)") };
    let output = Command::new(name).arg(script.0).arg(script.1).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

struct Stub {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Stub {
    fn read(&mut self) {
        assert!(self.stream.read(&mut self.buffer).unwrap() > 0);
    }

    fn next(&mut self) {
        self.read();
    }

    fn invoke(&mut self) {
        self.next();
        self.invoke_now();
    }

    fn invoke_now(&mut self) {
        let event = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nLambda-Runtime-Deadline-Ms: 99999999999999\r\n\
            Content-Length: 17\r\n\r\n{\"hello\":\"world\"}";
        self.stream.write_all(event.as_bytes()).unwrap();
        self.read();
        let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
        self.stream.write_all(accepted.as_bytes()).unwrap();
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn report(what: &str, ours: &[f64], bare: &[f64]) {
    let point = |times: &[f64], share: f64| {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times[((times.len() - 1) as f64 * share) as usize]
    };
    let (p50, bare_p50) = (point(ours, 0.5), point(bare, 0.5));
    println!(
        "  {what}: p50 {p50:.3} ms, p99 {:.3} ms; bare p50 {bare_p50:.3} ms; above it {:.3} ms, ratio {:.2}",
        point(ours, 0.99),
        p50 - bare_p50,
        p50 / bare_p50,
    );
}
