//! The process that runs the runtime, reaps, and reports.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::spec::{Entry, Spec};
use super::{Outcome, control, say};

/// The runtime, once it is started.
type Runtime = Arc<Mutex<Option<Pid>>>;

pub(super) fn run(spec: &Spec) -> Outcome {
    let runtime = Runtime::default();
    let extensions = match start_extensions(spec) {
        Ok(extensions) => extensions,
        Err(reason) => {
            say(&format!("extension {reason}"));
            end_descendants();
            return Ok(ExitCode::from(126));
        }
    };
    if !extensions.is_empty() {
        // The runtime starts at the word that all have registered.
        say(&format!("extensions {}", extensions.len()));
    } else if !launch(spec, &runtime) {
        return Ok(ExitCode::from(126));
    }
    follow_sandbox(spec.clone(), Arc::clone(&runtime))?;
    let status = wait(&runtime, &extensions);
    end_descendants();
    say(&match status {
        WaitStatus::Signaled(_, signal, _) => format!("signal {}", signal as i32),
        WaitStatus::Exited(_, code) => format!("exit {code}"),
        _ => "signal 9".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// Starts the runtime and says so. The lock is held meanwhile: who reaps must know whom.
fn launch(spec: &Spec, runtime: &Runtime) -> bool {
    let mut runtime = runtime.lock().unwrap_or_else(PoisonError::into_inner);
    match start(spec) {
        Ok(child) => {
            *runtime = Some(child);
            say(&format!("pid {child}"));
            true
        }
        Err(reason) => {
            say(&format!("entry {reason}"));
            false
        }
    }
}

/// Starts the first program that exists. The error is worded as Lambda words it.
fn start(spec: &Spec) -> Result<Pid, String> {
    for entry in &spec.programs {
        let Some((program, arguments)) = entry.command.split_first() else {
            continue;
        };
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.directory)
            .stdin(Stdio::null())
            .spawn();
        return match child {
            Ok(child) => Ok(Pid::from_raw(child.id().cast_signed())),
            Err(_) if !spec.directory.is_dir() => {
                Err(format!("no such directory: {}", spec.directory.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_last(spec, entry) => {
                Err(not_found(spec))
            }
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && !Path::new(program).exists() =>
            {
                continue;
            }
            Err(error) => Err(format!("fork/exec {program}: {}", reason(&error))),
        };
    }
    Err(not_found(spec))
}

fn is_last(spec: &Spec, entry: &Entry) -> bool {
    spec.programs.last().is_some_and(|last| last.command == entry.command)
}

fn not_found(spec: &Spec) -> String {
    let all: Vec<&str> = spec
        .programs
        .iter()
        .filter_map(|entry| entry.command.first())
        .map(String::as_str)
        .collect();
    format!("Couldn't find valid bootstrap(s): [{}]", all.join(" "))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ if error.raw_os_error() == Some(nix::libc::ENOEXEC) => "exec format error".to_owned(),
        _ => error.to_string(),
    }
}

/// Starts what stands in `/opt/extensions`.
fn start_extensions(spec: &Spec) -> Result<Vec<Pid>, String> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(entries) = std::fs::read_dir(&spec.extensions) else {
        return Ok(Vec::new());
    };
    let mut programs: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .collect();
    programs.sort();
    let mut started = Vec::new();
    for program in programs {
        let child = Command::new(&program)
            .env_clear()
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("fork/exec {}: {}", program.display(), reason(&error)))?;
        started.push(Pid::from_raw(child.id().cast_signed()));
    }
    Ok(started)
}

/// Reaps everything until the runtime itself has ended.
fn wait(runtime: &Runtime, extensions: &[Pid]) -> WaitStatus {
    loop {
        let status = match waitpid(None, None) {
            Ok(status) => status,
            Err(nix::errno::Errno::EINTR) => continue,
            // Nothing is left: the sandbox has heard of every end, and will close the socket.
            Err(_) => loop {
                std::thread::park();
            },
        };
        let ended = status.pid();
        if ended.is_some() && ended == *runtime.lock().unwrap_or_else(PoisonError::into_inner) {
            return status;
        }
        match status {
            WaitStatus::Exited(pid, code) if extensions.contains(&pid) => {
                say(&format!("extension-end exit status {code}"));
            }
            WaitStatus::Signaled(pid, signal, _) if extensions.contains(&pid) => {
                say(&format!("extension-end signal {}", signal as i32));
            }
            _ => {}
        }
    }
}

/// Starts the runtime at the sandbox's word, and ends everything when the sandbox closes its end of the control
/// socket, however that came.
fn follow_sandbox(spec: Spec, runtime: Runtime) -> Result<(), String> {
    let mut socket = control().map_err(|e| e.to_string())?;
    let follow = move || {
        let mut byte = [0_u8; 1];
        loop {
            match socket.read(&mut byte) {
                Ok(1..) if !launch(&spec, &runtime) => break,
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        end_descendants();
        // As process 1 this takes the whole namespace along.
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(follow)
        .map(drop)
        .map_err(|e| e.to_string())
}

/// Without a namespace: kills the tree below us. What has left it by a double fork is ours again, because we adopt
/// orphans.
fn end_descendants() {
    use nix::sys::signal::{Signal, kill};
    if std::process::id() == 1 {
        return;
    }
    for _ in 0..64 {
        let children = crate::memory::children_of(std::process::id());
        if children.is_empty() {
            return;
        }
        for pid in children {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(pid.cast_signed()), None);
        }
    }
}
