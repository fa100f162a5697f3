//! What a function cannot see or do.

use std::sync::Arc;

use serde_json::{Value, json};
use undercast_sandbox::{Background, IsolationLevel, MemoryLimit};

use crate::fixture::{Fixture, fixture, fixture_with, process_level};

fn isolated() -> Option<Fixture> {
    let f = fixture();
    if f.sandbox.isolation().level == IsolationLevel::Namespaces {
        return Some(f);
    }
    eprintln!("skipped: {}", f.sandbox.isolation());
    None
}

const SHELL: &str = "import subprocess\ndef handler(e, c):\n    p = subprocess.run(e, shell=True, capture_output=True, text=True)\n    return [p.returncode, p.stdout + p.stderr]\n";

async fn shell(f: &Fixture, command: &str) -> (i64, String) {
    let mut function = f.function("python3.11", "app.handler", &[("app.py", SHELL)]);
    function.key = "shell".into();
    let found: Value = f.call(&Arc::new(function), &json!(command).to_string()).await;
    (found[0].as_i64().unwrap(), found[1].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_outside_are_not_there() {
    let Some(f) = isolated() else { return };
    let secret = f.dir.path().join("secret");
    std::fs::write(&secret, "hidden").unwrap();
    let (code, text) = shell(&f, &format!("cat {}", secret.display())).await;
    assert!(code != 0 && !text.contains("hidden"), "{text}");
    let (_, text) = shell(&f, "ls / /var /etc; cat /etc/shadow; ls /root /home; true").await;
    assert!(text.contains("No such file or directory"), "{text}");
    for absent in ["boot", "srv", "shadow-", "mnt", "sys\n", "work"] {
        assert!(!text.contains(absent), "{absent} in {text}");
    }
    let (code, _) =
        shell(&f, "touch /var/task/x || touch /usr/x || touch /x || touch /etc/x || touch /opt/x")
            .await;
    assert_ne!(code, 0);
    let (code, text) = shell(&f, "echo ok > /tmp/x && cat /tmp/x").await;
    assert_eq!((code, text.as_str()), (0, "ok\n"));
    let (code, text) = shell(&f, "dd if=/dev/zero of=/tmp/big bs=1M count=80 2>&1").await;
    assert!(code != 0 && text.contains("No space left"), "{text}");
    shell(&f, "rm /tmp/big").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_are_not_there() {
    let Some(f) = isolated() else { return };
    let other = Arc::new(f.function(
        "nodejs20.x",
        "index.handler",
        &[("index.js", "exports.handler = async () => 1;")],
    ));
    f.call(&other, "1").await;
    let outside = f.sandbox.instances()[0].pid.unwrap();
    let (_, text) =
        shell(&f, "ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
    assert!(
        !text.contains("node") && text.lines().next().unwrap().parse::<u32>().unwrap() < 8,
        "{text}"
    );
    let (code, _) = shell(&f, &format!("kill -9 {outside}")).await;
    assert_ne!(code, 0);
    // Process 1 does not hear signals from inside.
    shell(&f, "kill -9 1; kill -STOP 1; true").await;
    assert_eq!(shell(&f, "echo still").await.1, "still\n");
    let (_, text) = shell(&f, "cat /proc/1/environ /proc/1/mem 2>&1 | head -c 200; true").await;
    assert!(text.contains("denied") || text.contains("Permission"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_privileges() {
    let Some(f) = isolated() else { return };
    let (_, text) =
        shell(&f, "grep -E 'CapEff|CapPrm|NoNewPrivs|Seccomp:' /proc/self/status; id -u; hostname")
            .await;
    assert!(
        text.contains("CapEff:\t0000000000000000") && text.contains("CapPrm:\t0000000000000000"),
        "{text}"
    );
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    if f.sandbox.isolation().seccomp {
        assert!(text.contains("Seccomp:\t2"), "{text}");
    }
    assert!(!text.contains("\n0\n"), "{text}");
    for command in
        ["unshare -U true", "unshare -m true", "mount -t tmpfs x /tmp", "chroot / true", "dmesg"]
    {
        let (code, text) = shell(&f, command).await;
        assert_ne!(code, 0, "{command}: {text}");
    }
}

/// Every function shares the loopback address of the host, but an endpoint listens to its own instance only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_endpoint_of_another_instance_does_not_answer() {
    let Some(f) = isolated() else { return };
    let code = "exports.handler = async () => process.env.AWS_LAMBDA_RUNTIME_API;";
    let victim = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    let api = f.call(&victim, "{}").await;
    let api = api.as_str().unwrap();
    let (code, text) =
        shell(&f, &format!("curl -sS -m 2 http://{api}/2018-06-01/runtime/invocation/next")).await;
    assert!(code != 0, "{text}");
    assert!(std::net::TcpStream::connect(api).is_ok());
    f.call(&victim, "{}").await;
    assert_eq!(f.sandbox.instances().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_level_works_and_says_what_is_missing() {
    let f = process_level();
    let isolation = f.sandbox.isolation();
    assert_eq!(isolation.level, IsolationLevel::Process);
    assert!(isolation.missing.iter().any(|m| m.contains("namespaces")), "{isolation}");
    let secret = f.dir.path().join("secret");
    std::fs::write(&secret, "hidden").unwrap();
    let (code, text) = shell(&f, &format!("cat {}", secret.display())).await;
    if f.sandbox.isolation().landlock {
        assert!(code != 0 && !text.contains("hidden"), "{text}");
    }
    let (code, text) = shell(&f, "echo ok > $TMPDIR/x && cat $TMPDIR/x").await;
    assert_eq!((code, text.as_str()), (0, "ok\n"));
    let node = Arc::new(f.function(
        "nodejs20.x",
        "index.handler",
        &[("index.js", "exports.handler = async () => 1;")],
    ));
    assert_eq!(f.call(&node, "{}").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_and_the_name_server_are_ours() {
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), "a certificate").unwrap();
    let f = crate::fixture::fixture_with(|options| {
        options.endpoint.ca_bundle = Some(bundle.path().to_path_buf());
        options.endpoint.dns = Some("127.0.0.53".parse().unwrap());
    });
    let command = "cat $SSL_CERT_FILE $REQUESTS_CA_BUNDLE $AWS_CA_BUNDLE $NODE_EXTRA_CA_CERTS";
    assert_eq!(shell(&f, command).await.1, "a certificate".repeat(4));
    if f.sandbox.isolation().level == IsolationLevel::Namespaces {
        let (_, text) = shell(&f, "cat /etc/resolv.conf").await;
        assert!(text.starts_with("nameserver 127.0.0.53\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_background_instances_get_a_small_share() {
    let memory_bytes_max = 700 << 20;
    let f = fixture_with(|o| o.background = Some(Background { memory_bytes_max, cpu_percent: 25 }));
    let function = f.function(
        "nodejs20.x",
        "index.handler",
        &[("index.js", "exports.handler = async () => require('os').getPriority();")],
    );
    assert_eq!(f.call(&Arc::new(function), "1").await, json!(19));
    let pid = f.sandbox.instances()[0].pid.unwrap();
    if f.sandbox.isolation().memory == MemoryLimit::Watched {
        eprintln!("skipped: {}", f.sandbox.isolation());
        return;
    }
    // It is moved into its group beside its start.
    let mut own = String::new();
    for _ in 0..500 {
        own = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        if own.lines().filter(|line| line.contains("/undercast-")).count() >= 3
            || own.lines().any(|line| line.starts_with("0::") && line.contains("/undercast-"))
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // The directory in which those of the instances are, by its file.
    let read = |controller: &str, file: &str| {
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (name, path) = rest.split_once(':')?;
            (name == controller).then(|| path.to_owned())
        })?;
        let path = std::path::Path::new(path.trim_start_matches('/')).parent()?.join(file);
        std::fs::read_to_string(std::path::Path::new("/sys/fs/cgroup").join(controller).join(path))
            .ok()
    };
    let limit = read("memory", "memory.limit_in_bytes").or_else(|| read("", "memory.max"));
    let share = read("cpu", "cpu.shares").or_else(|| read("", "cpu.weight"));
    assert_eq!(limit.as_deref().map(str::trim), Some(&*memory_bytes_max.to_string()), "{own}");
    if let Some(share) = share {
        assert!(["256", "25"].contains(&share.trim()), "{share}");
    }
}
