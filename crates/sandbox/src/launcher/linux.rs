//! Linux: namespaces, a root of its own, capabilities, filters.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chdir, pivot_root, sethostname, setresgid, setresuid};

use super::spec::{Bind, Root, Spec, Stage};
use super::{ARGUMENT, INSIDE, Outcome, PROBE, layers, say};
use crate::isolation::{Isolation, IsolationLevel};

mod filter;
mod network;

/// User and group inside a user namespace: those of Lambda.
const USER: u32 = 993;
const GROUP: u32 = 990;

fn step<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Result<T, String> {
    outcome.map_err(|error| format!("{what}: {error}"))
}

/// Makes the namespaces and starts the process that lives in them.
pub(super) fn enter(stage: &Stage) -> Outcome {
    separate(stage.user_namespace, stage.network.is_some())?;
    if let Some(ports) = &stage.network {
        network::open(ports)?;
    }
    if stage.nice > 0 {
        step("nice", rustix::process::nice(stage.nice))?;
    }
    // The same binary, even if it was replaced on disk meanwhile.
    let spawned = Command::new("/proc/self/exe").arg(ARGUMENT).arg(INSIDE).env_clear().spawn();
    let mut init = step("re-execution", spawned)?;
    say(&format!("init {}", init.id()));
    let status = step("wait", init.wait())?;
    if status.signal().is_some() {
        return Ok(ExitCode::from(124));
    }
    Ok(ExitCode::SUCCESS)
}

fn separate(user_namespace: bool, network: bool) -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if !user_namespace {
        return step("unshare", unshare(flags));
    }
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    flags |= CloneFlags::CLONE_NEWUSER;
    step("unshare", unshare(flags))?;
    map_user(0, 0, uid.as_raw(), gid.as_raw())
}

fn map_user(uid: u32, gid: u32, outer_uid: u32, outer_gid: u32) -> Result<(), String> {
    step("setgroups", std::fs::write("/proc/self/setgroups", "deny"))?;
    step("uid_map", std::fs::write("/proc/self/uid_map", format!("{uid} {outer_uid} 1")))?;
    step("gid_map", std::fs::write("/proc/self/gid_map", format!("{gid} {outer_gid} 1")))
}

/// Process 1 follows its launcher; without namespaces the launcher's parent is a thread that may end, so that only
/// the control socket counts, and orphans are adopted instead.
pub(super) fn die_with_parent(first: bool) {
    if first {
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    } else {
        let _ = prctl::set_child_subreaper(true);
    }
}

/// Everything between the namespaces and the runtime.
pub(super) fn confine(spec: &Spec) -> Result<(), String> {
    if let Some(root) = &spec.root {
        build_root(root)?;
        let _ = sethostname("localhost");
    }
    let files = spec.open_files_max;
    step("open files", setrlimit(Resource::RLIMIT_NOFILE, files, files))?;
    step("core size", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    if spec.root.is_some() {
        drop_privileges(spec.uid)?;
    }
    step("no_new_privs", prctl::set_no_new_privs())?;
    // Our own memory holds the credentials of the function in clear; nothing in the sandbox needs to read it.
    let _ = prctl::set_dumpable(false);
    if spec.landlock {
        let files = spec.root.is_none().then_some(spec.process_files.as_slice());
        step("landlock", filter::landlock(files))?;
    }
    if spec.seccomp {
        step("seccomp", filter::seccomp())?;
    }
    Ok(())
}

fn drop_privileges(uid: Option<u32>) -> Result<(), String> {
    if let Some(uid) = uid {
        step("bounding set", caps::clear(None, caps::CapSet::Bounding))?;
        step("groups", nix::unistd::setgroups(&[]))?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
        step("group", setresgid(gid, gid, gid))?;
        return step("user", setresuid(uid, uid, uid));
    }
    // Root of a user namespace becomes a user of a second one: the runtime's execution then loses every capability.
    step("second user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
    map_user(USER, GROUP, 0, 0)
}

const NOTHING: Option<&str> = None;

fn build_root(root: &Root) -> Result<(), String> {
    let at = root.at.as_path();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    step("private mounts", mount(NOTHING, "/", NOTHING, private, NOTHING))?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    step("root", mount(Some("tmpfs"), at, Some("tmpfs"), quiet, Some("size=1m,mode=755")))?;
    system_directories(at)?;
    for dir in ["proc", "tmp", "dev", "opt", "etc", "var", "root", "home"] {
        let _ = std::fs::create_dir(at.join(dir));
    }
    for bind in &root.binds {
        bind_to(bind, at)?;
    }
    module_links(at)?;
    devices(at)?;
    layers_to(&root.layers, &at.join("opt"))?;
    let size = format!("size={}m,mode=1777", root.tmp_mb);
    step("/tmp", mount(Some("tmpfs"), &at.join("tmp"), Some("tmpfs"), quiet, Some(size.as_str())))?;
    let quiet = quiet | MsFlags::MS_NOEXEC;
    step("/proc", mount(Some("proc"), &at.join("proc"), Some("proc"), quiet, NOTHING))?;
    step("chdir", chdir(at))?;
    // Old and new root on one another: no directory for the old one is needed.
    step("pivot_root", pivot_root(".", "."))?;
    step("old root", umount2(".", MntFlags::MNT_DETACH))?;
    step("chdir", chdir("/"))?;
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    step("read-only root", mount(NOTHING, "/", NOTHING, flags, NOTHING))
}

/// ES modules are not looked for on `NODE_PATH`, only in the folders above the code: there they find
/// what layers and the runtime bring.
fn module_links(at: &Path) -> Result<(), String> {
    for (target, link) in [
        ("/opt/nodejs/node_modules", "var/node_modules"),
        ("/var/runtime/node_modules", "node_modules"),
    ] {
        step("module link", std::os::unix::fs::symlink(target, at.join(link)))?;
    }
    Ok(())
}

/// `/usr` as a whole; `/bin`, `/lib` and so on as the host has them: links or directories.
fn system_directories(at: &Path) -> Result<(), String> {
    bind_to(&Bind::read_only("/usr", "/usr"), at)?;
    for name in ["bin", "sbin", "lib", "lib64", "lib32"] {
        let host = Path::new("/").join(name);
        if let Ok(target) = std::fs::read_link(&host) {
            step("link", std::os::unix::fs::symlink(target, at.join(name)))?;
        } else if host.is_dir() {
            bind_to(&Bind::read_only(&host, &host), at)?;
        }
    }
    Ok(())
}

fn bind_to(bind: &Bind, root: &Path) -> Result<(), String> {
    let to = root.join(bind.to.strip_prefix("/").unwrap_or(&bind.to));
    let what = || format!("mount {}", bind.to.display());
    let is_dir = step(&format!("{}", bind.from.display()), std::fs::metadata(&bind.from))?.is_dir();
    if is_dir {
        step(&what(), std::fs::create_dir_all(&to))?;
    } else {
        if let Some(parent) = to.parent() {
            step(&what(), std::fs::create_dir_all(parent))?;
        }
        if !to.exists() {
            step(&what(), std::fs::File::create(&to))?;
        }
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    step(&what(), mount(Some(&bind.from), &to, NOTHING, flags, NOTHING))?;
    if bind.writable {
        return Ok(());
    }
    let flags = MsFlags::MS_BIND
        | MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    if mount(NOTHING, &to, NOTHING, flags, NOTHING).is_ok() {
        return Ok(());
    }
    // Inside a user namespace the flags that a mount had must be kept.
    let kept = step(&what(), nix::sys::statvfs::statvfs(&to))?.flags();
    let mut flags = flags;
    for (had, keep) in [
        (nix::sys::statvfs::FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (nix::sys::statvfs::FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (nix::sys::statvfs::FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (nix::sys::statvfs::FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if kept.contains(had) {
            flags |= keep;
        }
    }
    step(&what(), mount(NOTHING, &to, NOTHING, flags, NOTHING))
}

fn devices(at: &Path) -> Result<(), String> {
    for name in ["null", "zero", "full", "random", "urandom"] {
        let path = Path::new("/dev").join(name);
        bind_to(&Bind::writable(&path, &path), at)?;
    }
    for (target, name) in [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        step("device link", std::os::unix::fs::symlink(target, at.join("dev").join(name)))?;
    }
    Ok(())
}

fn layers_to(all: &[std::path::PathBuf], opt: &Path) -> Result<(), String> {
    let [first, rest @ ..] = all else {
        return Ok(());
    };
    if rest.is_empty() {
        let (from, to, writable) = (first.clone(), opt.to_path_buf(), false);
        return bind_to(&Bind { from, to, writable }, Path::new("/"));
    }
    let plain = all.iter().all(|dir| dir.to_str().is_some_and(|d| !d.contains([':', ',', '\\'])));
    // The first directory of an overlay is its uppermost.
    let lower: Vec<String> = all.iter().rev().map(|dir| dir.display().to_string()).collect();
    let options = format!("lowerdir={}", lower.join(":"));
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    if plain && mount(Some("overlay"), opt, Some("overlay"), flags, Some(options.as_str())).is_ok()
    {
        return Ok(());
    }
    step(
        "/opt",
        mount(
            Some("tmpfs"),
            opt,
            Some("tmpfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some("mode=755"),
        ),
    )?;
    for layer in all {
        step("layers", layers::copy(layer, opt))?;
    }
    Ok(())
}

/// A trial: everything but the runtime.
pub(super) fn probe(launcher: &Path, root: &Path, user_namespace: bool) -> Result<bool, String> {
    let arguments = [ARGUMENT, PROBE, if user_namespace { "user" } else { "root" }];
    let root = root.canonicalize().map_err(|e| e.to_string())?;
    let output = Command::new(launcher)
        .args(arguments)
        .env_clear()
        .current_dir(&root)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("launcher {}: {e}", launcher.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && text.trim_end().ends_with("ok") {
        return Ok(user_namespace);
    }
    let text = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(text.lines().next().unwrap_or("the trial failed").to_owned())
}

/// First in the outer process, then again inside the namespaces with `inside` as kind.
pub(super) fn probe_main(kind: Option<&Path>) -> Outcome {
    use std::io::Write;
    let kind = kind.and_then(Path::to_str).unwrap_or_default();
    let outcome = match kind {
        "user" | "root" => probe_outside(kind),
        _ => probe_inside(kind == "inside-user"),
    };
    let text = match outcome {
        Ok(text) => text,
        Err(reason) => reason,
    };
    let _ = writeln!(io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}

fn probe_outside(kind: &str) -> Result<String, String> {
    separate(kind == "user", false)?;
    let inner = Command::new("/proc/self/exe")
        .args([ARGUMENT, PROBE, &format!("inside-{kind}")])
        .env_clear()
        .output();
    let output = step("re-execution", inner)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn probe_inside(user: bool) -> Result<String, String> {
    let at = step("root", std::env::current_dir())?;
    build_root(&Root { at, tmp_mb: 1, ..Root::default() })?;
    drop_privileges((!user).then_some(USER))?;
    step("no_new_privs", prctl::set_no_new_privs())?;
    Ok("ok".to_owned())
}

pub(super) fn filters(isolation: &mut Isolation) {
    match filter::seccomp_works() {
        Ok(()) => isolation.seccomp = true,
        Err(reason) => isolation.missing.push(format!("seccomp: {reason}")),
    }
    match filter::landlock_works(isolation.level) {
        Ok(()) => isolation.landlock = true,
        Err(reason) => isolation.missing.push(format!("landlock: {reason}")),
    }
    if isolation.level == IsolationLevel::Process {
        let files = if isolation.landlock { "" } else { " and see its files" };
        isolation.missing.push(format!("users: functions run as the user that runs us{files}"));
    }
}
