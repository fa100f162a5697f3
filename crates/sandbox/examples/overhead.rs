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
    Answer, Credentials, Endpoint, Function, Host, Invocation, IsolationChoice, LogLine, Options,
    Sandbox,
};

const WARM: usize = 1100;
const COLD: usize = 20;
const RATE_TIME: Duration = Duration::from_secs(2);

struct Quiet;

impl Host for Quiet {
    fn credentials(&self, _: &Function, _: u64) -> Credentials {
        Credentials::default()
    }
    fn log(&self, _: &Function, _: &str, _: Vec<LogLine>) {}
}

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(undercast_sandbox::launcher::ARGUMENT) {
        return undercast_sandbox::launcher_main(arguments);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
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
            let mut options = Options::new(
                dir.path().join("sandbox"),
                std::env::current_exe().unwrap(),
                Endpoint::default(),
            );
            options.isolation = isolation;
            let sandbox = Sandbox::new(options).unwrap();
            println!("{runtime}: {}", sandbox.isolation());
            let function = function(runtime, &code_dir);
            let client = dir.path().join("sandbox/runtime");
            let program = which(if runtime.starts_with("node") { "node" } else { "python3" });
            // In turns, so that both see the same machine.
            let (mut cold, mut bare_cold) = (Vec::new(), Vec::new());
            for n in 0..COLD {
                cold.push(cold_through_sandbox(&sandbox, &function, n).await);
                bare_cold.push(cold_bare(&program, &client, &code_dir));
            }
            let (mut warm, mut bare_warm) = (Vec::new(), Vec::new());
            for _ in 0..4 {
                warm.extend(warm_through_sandbox(&sandbox, &function).await);
                bare_warm.extend(warm_bare(&program, &client, &code_dir));
            }
            report("warm", &warm, &bare_warm);
            report("cold", &cold, &bare_cold);
            for n in [2, 8] {
                let (mut ours, mut bare) = (0.0, 0.0);
                for _ in 0..2 {
                    ours += rate_through_sandbox(&sandbox, &function, n).await;
                    bare += rate_bare(&program, &client, &code_dir, n);
                }
                println!(
                    "  {n} instances: {:.0} a second; bare {:.0}; {:.0} %",
                    ours / 2.0,
                    bare / 2.0,
                    ours / bare * 100.0
                );
            }
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

fn invocation(function: &Function, n: usize) -> Invocation {
    Invocation {
        request_id: format!("request-{n}"),
        payload: Bytes::from_static(b"{\"hello\":\"world\"}"),
        invoked_arn: function.arn.clone(),
        ..Invocation::default()
    }
}

async fn cold_through_sandbox(sandbox: &Sandbox, function: &Function, n: usize) -> f64 {
    let host: Arc<dyn Host> = Arc::new(Quiet);
    let fresh = Arc::new(Function { key: format!("cold-{n}"), ..function.clone() });
    let since = Instant::now();
    let answer: Answer = sandbox.invoke(&fresh, invocation(function, n), &host).await.unwrap();
    let time = ms(since);
    assert!(!answer.status.is_error());
    sandbox.retire(&fresh.key);
    tokio::time::sleep(Duration::from_millis(30)).await;
    time
}

async fn warm_through_sandbox(sandbox: &Sandbox, function: &Function) -> Vec<f64> {
    let host: Arc<dyn Host> = Arc::new(Quiet);
    let function = Arc::new(function.clone());
    let mut times = Vec::new();
    for n in 0..WARM {
        let (function, host) = (Arc::clone(&function), Arc::clone(&host));
        let (sandbox, invocation) = (sandbox.clone(), invocation(&function, n));
        // As a server would: from a task on a worker.
        let time = tokio::spawn(async move {
            let since = Instant::now();
            sandbox.invoke(&function, invocation, &host).await.unwrap();
            ms(since)
        });
        times.push(time.await.unwrap());
    }
    assert_eq!(sandbox.instances().iter().filter(|i| i.key == function.key).count(), 1);
    times.split_off(100)
}

/// The same client without anything around it: a blocking loop on a socket.
fn cold_bare(program: &Path, client: &Path, code: &Path) -> f64 {
    let since = Instant::now();
    let (mut stub, mut child) = start(program, client, code);
    stub.invoke();
    let time = ms(since);
    child.kill().unwrap();
    child.wait().unwrap();
    time
}

fn warm_bare(program: &Path, client: &Path, code: &Path) -> Vec<f64> {
    let (mut stub, mut child) = start(program, client, code);
    let mut times = Vec::new();
    for _ in 0..WARM {
        stub.next();
        let since = Instant::now();
        stub.invoke_now();
        times.push(ms(since));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    times.split_off(100)
}

/// Invocations a second, `n` at a time.
async fn rate_through_sandbox(sandbox: &Sandbox, function: &Function, n: usize) -> f64 {
    let function = Arc::new(function.clone());
    let loops = (0..n).map(|_| {
        let (function, sandbox) = (Arc::clone(&function), sandbox.clone());
        tokio::spawn(async move {
            let host: Arc<dyn Host> = Arc::new(Quiet);
            let invoke = || sandbox.invoke(&function, invocation(&function, 0), &host);
            // All processes are there before anything is counted.
            for _ in 0..50 {
                invoke().await.unwrap();
            }
            let (since, mut count) = (Instant::now(), 0);
            while since.elapsed() < RATE_TIME {
                invoke().await.unwrap();
                count += 1;
            }
            f64::from(count) / since.elapsed().as_secs_f64()
        })
    });
    let rates = futures_of(loops.collect()).await;
    rates.iter().sum()
}

async fn futures_of(tasks: Vec<tokio::task::JoinHandle<f64>>) -> Vec<f64> {
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

fn rate_bare(program: &Path, client: &Path, code: &Path, n: usize) -> f64 {
    let ready = std::sync::Barrier::new(n);
    std::thread::scope(|scope| {
        let one = || {
            let (mut stub, mut child) = start(program, client, code);
            for _ in 0..50 {
                stub.invoke();
            }
            ready.wait();
            let (since, mut count) = (Instant::now(), 0);
            while since.elapsed() < RATE_TIME {
                stub.invoke();
                count += 1;
            }
            let rate = f64::from(count) / since.elapsed().as_secs_f64();
            child.kill().unwrap();
            child.wait().unwrap();
            rate
        };
        let loops: Vec<_> = (0..n).map(|_| scope.spawn(one)).collect();
        loops.into_iter().map(|each| each.join().unwrap()).sum()
    })
}

fn start(program: &Path, client: &Path, code: &Path) -> (Stub, Child) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(program);
    if program.ends_with("node") {
        command.arg("--max-old-space-size=460").arg(client.join("index.cjs"));
    } else {
        command.arg(client.join("bootstrap.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    }
    let child = command
        .env_clear()
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
    let script = if name == "node" {
        ("-p", "process.execPath")
    } else {
        ("-c", "import sys; print(sys.executable)")
    };
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
