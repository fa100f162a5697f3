//! The launcher: our own binary, executed again as `<binary> __launch`, sets up the isolation and runs the runtime.
//!
//! ```text
//! sandbox ── launcher ──(new namespaces)── init (process 1) ── runtime and its descendants
//!    └────────── control socket on standard input ──┘
//! ```
//! The first process makes the namespaces, the second lives in them, builds the root and stays as process 1: it
//! reaps, reports how the runtime ended, and ends itself when the control socket closes, which takes everything in
//! the namespace with it. A killed sandbox closes the socket; a killed launcher takes init along by its death
//! signal. Without namespaces one process does both.
//!
//! No `unsafe`: a fork is a re-execution.

mod init;
pub(crate) mod layers;
#[cfg(target_os = "linux")]
mod linux;
pub(crate) mod spec;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::de::DeserializeOwned;

use crate::isolation::Isolation;
use spec::{Spec, Stage};

/// First argument of a launcher.
pub const ARGUMENT: &str = "__launch";
/// Second argument of the process that lives inside the namespaces.
const INSIDE: &str = "inside";
/// Second argument of a trial.
const PROBE: &str = "probe";

/// Called by a binary whose first argument is [`ARGUMENT`], with the arguments behind it.
#[must_use]
pub fn launcher_main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let outcome = match arguments.first().map(String::as_str) {
        None => outside(),
        Some(INSIDE) => inside(),
        #[cfg(target_os = "linux")]
        Some(PROBE) => linux::probe_main(arguments.get(1).map(Path::new)),
        Some(other) => Err(format!("unknown launcher argument {other}")),
    };
    match outcome {
        Ok(code) => code,
        Err(reason) => {
            say(&format!("failed {}", reason.replace('\n', " ")));
            ExitCode::from(125)
        }
    }
}

type Outcome = Result<ExitCode, String>;

fn outside() -> Outcome {
    let stage: Stage = frame().map_err(|e| format!("first frame: {e}"))?;
    if !stage.namespaces {
        return inside();
    }
    #[cfg(target_os = "linux")]
    return linux::enter(&stage);
    #[cfg(not(target_os = "linux"))]
    Err("namespaces exist on Linux only".to_owned())
}

fn inside() -> Outcome {
    #[cfg(target_os = "linux")]
    linux::die_with_parent(std::process::id() == 1);
    let spec: Spec = frame().map_err(|e| format!("second frame: {e}"))?;
    #[cfg(target_os = "linux")]
    {
        linux::confine(&spec)?;
        // A change of user has cleared it.
        linux::die_with_parent(std::process::id() == 1);
    }
    init::run(&spec)
}

/// Speaks to the sandbox. Nobody listening is not an error: it is the end.
fn say(line: &str) {
    let _ = control().and_then(|mut socket| socket.write_all(format!("{line}\n").as_bytes()));
}

/// Standard input is the control socket.
fn control() -> io::Result<std::os::unix::net::UnixStream> {
    use std::os::fd::AsFd;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Reads exactly one frame: what follows is for the next process.
fn frame<T: DeserializeOwned>() -> io::Result<T> {
    let mut socket = control()?;
    let mut length = [0_u8; 4];
    socket.read_exact(&mut length)?;
    let mut bytes = vec![0_u8; u32::from_be_bytes(length).min(16 * 1024 * 1024) as usize];
    socket.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Whether namespaces work here; the answer says whether they need a user namespace.
pub(crate) fn probe(launcher: &Path, root: &Path) -> Result<bool, String> {
    #[cfg(target_os = "linux")]
    {
        let user_namespace = !nix::unistd::geteuid().is_root();
        linux::probe(launcher, root, user_namespace)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (launcher, root);
        Err("they exist on Linux only".to_owned())
    }
}

/// Notes which filters this kernel has.
pub(crate) fn filters(isolation: &mut Isolation) {
    #[cfg(target_os = "linux")]
    linux::filters(isolation);
    #[cfg(not(target_os = "linux"))]
    isolation.missing.push("seccomp, landlock: they exist on Linux only".to_owned());
}
