//! Time-outs, exits, pools, the end of the parent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use undercast_sandbox::{Error, InstanceState};

use crate::fixture::{Fixture, fixture, fixture_with, process_level};

async fn gone(f: &Fixture) {
    for _ in 0..300 {
        if f.sandbox.instances().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", f.sandbox.instances());
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

async fn dead(pid: u32) {
    for _ in 0..300 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{pid} lives");
}

const NAP: &str = "exports.handler = async (e) => { await new Promise(r => setTimeout(r, e.ms || 0)); return process.pid; };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_out_ends_the_process() {
    for f in [fixture(), process_level()] {
        let mut function = f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]);
        function.timeout = Duration::from_secs(1);
        let function = Arc::new(function);
        f.call(&function, "{}").await;
        let pid = f.sandbox.instances()[0].pid.unwrap();
        let since = Instant::now();
        let error = f.fail(&function, r#"{"ms":5000}"#).await;
        assert!(since.elapsed() < Duration::from_millis(1500));
        assert_eq!(error["errorType"], "Sandbox.Timedout");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.starts_with("RequestId: ")
                && message.ends_with(" Error: Task timed out after 1.00 seconds")
        );
        dead(pid).await;
        gone(&f).await;
        let logs = f.logged("Status: timeout\n").await;
        assert!(logs.contains(" Task timed out after 1.00 seconds\n"), "{logs}");
        f.call(&function, "{}").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_in_the_middle_is_an_answer() {
    let f = fixture();
    let code = "exports.handler = async (e) => { if ('code' in e) process.exit(e.code); if (e.segv) process.kill(process.pid, 'SIGSEGV'); return 1; };";
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    f.call(&function, "{}").await;
    let error = f.fail(&function, r#"{"code":0}"#).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("Error: Runtime exited without providing a reason")
    );
    let error = f.fail(&function, r#"{"code":5}"#).await;
    assert!(error["errorMessage"].as_str().unwrap().ends_with("exit status 5"));
    let error = f.fail(&function, r#"{"segv":1}"#).await;
    assert!(
        error["errorMessage"].as_str().unwrap().ends_with("signal: segmentation fault"),
        "{error}"
    );
    assert_eq!(f.call(&function, "{}").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_limited() {
    let f = fixture();
    let code = "exports.handler = async (e) => { const all = []; for (let i = 0; i < e.mb; i++) { all.push(Buffer.alloc(1 << 20, 1)); if (i % 20 === 0) await new Promise(r => setTimeout(r, 20)); } await new Promise(r => setTimeout(r, 200)); return 1; };";
    let mut function = f.function("nodejs20.x", "index.handler", &[("index.js", code)]);
    function.memory_mb = 128;
    function.tmp_mb = 16;
    let function = Arc::new(function);
    f.call(&function, r#"{"mb":10}"#).await;
    let error = f.fail(&function, r#"{"mb":400}"#).await;
    assert_eq!(error["errorType"], "Runtime.OutOfMemory");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("signal: killed"));
    f.call(&function, r#"{"mb":10}"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_never_runs_two_invocations() {
    let f = fixture();
    let code = "let busy = 0; exports.handler = async () => { busy++; await new Promise(r => setTimeout(r, 100)); const b = busy; busy--; return b; };";
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    let f = Arc::new(f);
    for _ in 0..2 {
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let (f, function) = (Arc::clone(&f), Arc::clone(&function));
                tokio::spawn(async move { f.call(&function, "{}").await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 1);
        }
    }
    assert_eq!(f.sandbox.instances().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_has_a_cap_and_idle_ones_make_room() {
    let f = Arc::new(fixture_with(|options| options.instances_max = 1));
    let one = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]));
    let two = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]));
    f.call(&one, "{}").await;
    f.call(&two, "{}").await;
    let busy = {
        let (f, one) = (Arc::clone(&f), Arc::clone(&one));
        tokio::spawn(async move { f.call(&one, r#"{"ms":600}"#).await })
    };
    for _ in 0..200 {
        if f.sandbox.instances().iter().any(|i| i.state == InstanceState::Busy) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(f.try_invoke(&two, "{}").await, Err(Error::Throttled { instances_max: 1 })));
    busy.await.unwrap();
    f.call(&two, "{}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_instances_are_reaped_retired_and_drained() {
    let f = fixture_with(|options| options.idle = Duration::from_millis(150));
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]));
    f.call(&function, "{}").await;
    let pid = f.sandbox.instances()[0].pid.unwrap();
    assert!(alive(pid));
    gone(&f).await;
    dead(pid).await;

    let f = fixture();
    f.prewarm(&function, 2).await.unwrap();
    assert_eq!(f.sandbox.instances().len(), 2);
    let answer = f.invoke(&function, "{}").await;
    assert!(!answer.status.is_error());
    assert_eq!(f.sandbox.instances().len(), 2);
    f.sandbox.retire(&function.key);
    gone(&f).await;
    f.call(&function, "{}").await;
    f.sandbox.drain().await;
    assert!(f.sandbox.instances().is_empty());
    assert!(matches!(f.try_invoke(&function, "{}").await, Err(Error::Gone)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_stop_the_function() {
    let f = fixture();
    let code = "exports.handler = async () => { await new Promise(r => setTimeout(r, 200)); console.log('finished'); };";
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    f.call(&function, "{}").await;
    let call = f.try_invoke(&function, "{}");
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    for _ in 0..200 {
        if f.logs().matches("finished").count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(f.logs().matches("finished").count(), 2);
    f.call(&function, "{}").await;
    assert_eq!(f.sandbox.instances().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_that_hangs_counts_against_the_second_try() {
    let f = fixture();
    let mut function = f.function(
        "nodejs20.x",
        "index.handler",
        &[("index.js", "const fs = require('fs'); process.exit(9);")],
    );
    function.timeout = Duration::from_secs(2);
    let error = f.fail(&Arc::new(function), "{}").await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert_eq!(f.logs().matches("INIT_REPORT").count(), 1);
    assert_eq!(f.logs().matches("REPORT RequestId").count(), 1);
}

/// The helper is this test binary itself: it starts a function and waits to be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outlives_a_killed_parent() {
    if let Ok(level) = std::env::var("UNDERCAST_TEST_PARENT") {
        return be_a_parent(&level).await;
    }
    for level in ["namespaces", "process"] {
        let mut helper = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["life::nothing_outlives_a_killed_parent", "--exact", "--nocapture"])
            .env("UNDERCAST_TEST_PARENT", level)
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(
            helper.stdout.take().unwrap(),
        ));
        let pids: Vec<u32> = loop {
            let line = lines.next_line().await.unwrap().expect("the helper ended");
            if let Some(pids) = line.strip_prefix("pids ") {
                break serde_json::from_str(pids).unwrap();
            }
        };
        assert!(pids.len() >= 2 && pids.iter().all(|pid| alive(*pid)), "{pids:?}");
        helper.kill().await.unwrap();
        for pid in pids {
            dead(pid).await;
        }
    }
}

async fn be_a_parent(level: &str) {
    let f = if level == "process" { process_level() } else { fixture() };
    let code = "const { spawn } = require('child_process'); spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref();\n\
        exports.handler = async () => 1;";
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    f.call(&function, "{}").await;
    let mut pids = vec![f.sandbox.instances()[0].pid.unwrap()];
    let mut at = 0;
    while at < pids.len() {
        let path = format!("/proc/{0}/task/{0}/children", pids[at]);
        let children = std::fs::read_to_string(path).unwrap_or_default();
        pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    println!("\npids {}", json!(pids));
    tokio::time::sleep(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_stand_still_between_invocations() {
    let code = "let n = 0; setInterval(() => n++, 5); exports.handler = async () => n;";
    for (freeze, moves) in [(true, false), (false, true)] {
        let f = fixture_with(|options| options.freeze = freeze);
        let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
        f.call(&function, "{}").await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        let before = f.call(&function, "{}").await.as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let after = f.call(&function, "{}").await.as_u64().unwrap();
        assert_eq!(after - before > 50, moves, "{before} {after}");
        assert_eq!(f.sandbox.instances().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_end_with_the_last_sandbox() {
    let f = fixture();
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]));
    f.call(&function, "{}").await;
    let pid = f.sandbox.instances()[0].pid.unwrap();
    drop(f);
    dead(pid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_cannot_set_up_is_our_error() {
    let f = fixture();
    if f.sandbox.isolation().level != undercast_sandbox::IsolationLevel::Namespaces {
        return;
    }
    let mut function = f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]);
    function.code = "/does/not/exist".into();
    let error = f.try_invoke(&Arc::new(function), "{}").await.unwrap_err();
    assert!(
        matches!(&error, Error::Launch(reason) if reason.contains("/does/not/exist")),
        "{error}"
    );
    let ruby = Arc::new(f.function("ruby3.3", "x", &[("x", "")]));
    assert!(matches!(f.try_invoke(&ruby, "{}").await, Err(Error::RuntimeUnavailable { .. })));
    gone(&f).await;
}

/// Callers that come back at once find the instance that has just answered them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_callers_need_one_instance_each() {
    let f = Arc::new(fixture());
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", NAP)]));
    f.prewarm(&function, 4).await.unwrap();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (f, function) = (Arc::clone(&f), Arc::clone(&function));
            tokio::spawn(async move {
                for _ in 0..100 {
                    f.call(&function, "{}").await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    // One more only where the machine is so busy that a process cannot ask for its next event in time.
    assert!(f.sandbox.instances().len() <= 5);
    assert_eq!(f.logs().matches("\nEND RequestId: ").count(), 400);
}
