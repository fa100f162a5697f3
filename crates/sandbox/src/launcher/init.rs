//! The process that runs the runtime, reaps, and reports.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::spec::{Entry, Spec};
use super::{Outcome, control, say};

pub(super) fn run(spec: &Spec) -> Outcome {
    let child = match start(spec) {
        Ok(child) => child,
        Err(reason) => {
            say(&format!("entry {reason}"));
            return Ok(ExitCode::from(126));
        }
    };
    say(&format!("pid {child}"));
    follow_sandbox(child)?;
    let status = wait(child);
    if std::process::id() != 1 {
        end_descendants(child);
    }
    say(&match status {
        WaitStatus::Signaled(_, signal, _) => format!("signal {}", signal as i32),
        WaitStatus::Exited(_, code) => format!("exit {code}"),
        _ => "signal 9".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// Starts the first program that exists. The error is worded as Lambda words it.
fn start(spec: &Spec) -> Result<Pid, String> {
    for entry in &spec.programs {
        let Some((program, arguments)) = entry.command.split_first() else { continue };
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.directory)
            .stdin(Stdio::null())
            .spawn();
        return match child {
            Ok(child) => Ok(Pid::from_raw(child.id().cast_signed())),
            Err(_) if !spec.directory.is_dir() => Err(format!("no such directory: {}", spec.directory.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_last(spec, entry) => Err(not_found(spec)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !Path::new(program).exists() => continue,
            Err(error) => Err(format!("fork/exec {program}: {}", reason(&error))),
        };
    }
    Err(not_found(spec))
}

fn is_last(spec: &Spec, entry: &Entry) -> bool {
    spec.programs.last().is_some_and(|last| last.command == entry.command)
}

fn not_found(spec: &Spec) -> String {
    let all: Vec<&str> = spec.programs.iter().filter_map(|entry| entry.command.first()).map(String::as_str).collect();
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

/// Reaps everything until the runtime itself has ended.
fn wait(runtime: Pid) -> WaitStatus {
    loop {
        match waitpid(None, None) {
            Ok(status) if status.pid() == Some(runtime) => return status,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return WaitStatus::StillAlive,
        }
    }
}

/// Ends everything when the sandbox closes its end of the control socket, however that came.
fn follow_sandbox(runtime: Pid) -> Result<(), String> {
    let mut socket = control().map_err(|e| e.to_string())?;
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut byte = [0_u8; 1];
            loop {
                match socket.read(&mut byte) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                }
            }
            if std::process::id() != 1 {
                end_descendants(runtime);
            }
            // As process 1 this takes the whole namespace along.
            std::process::exit(0);
        })
        .map(drop)
        .map_err(|e| e.to_string())
}

/// Without a namespace: kills the tree below us, deepest knowledge first. What has left it by a double fork is ours
/// again, because we adopt orphans.
fn end_descendants(runtime: Pid) {
    use nix::sys::signal::{Signal, kill};
    let _ = kill(runtime, Signal::SIGKILL);
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
