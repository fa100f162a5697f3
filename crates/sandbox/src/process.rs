//! From a function to a running process: the launch description, the control socket, the watchers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};

use crate::capture::Journal;
use crate::clock::{self, Date, Moment};
use crate::dns;
use crate::environment::{Environment, Layout};
use crate::error::Error;
use crate::freezer::Freezer;
use crate::function::{Function, Host};
use crate::instance::{Instance, Phase};
use crate::isolation::{Isolation, IsolationChoice, IsolationLevel};
use crate::launcher::spec::{Bind, Entry, Root, Spec, Stage};
use crate::limits::{
    GROUP_DELAY, KILL_GRACE, MEMORY_WATCH, OPEN_FILES_MAX, PROCESSES_MAX, SHUTDOWN,
};
use crate::memory::{Cgroup, Cgroups, Meter, tree};
use crate::network::{self, API_PORT};
use crate::options::{Network, Options};
use crate::pool::Inner;
use crate::report::{Exit, Platform};
use crate::runtime_api;
use crate::runtimes::{Interpreter, Kind};

/// Users of instances, when we may choose them: far from those of people and services.
const UID_FIRST: u32 = 1_500_000_000;
const UID_COUNT: u64 = 60_000;
/// The lowest priority that a process can have.
const NICE_MAX: i32 = 19;

/// Starts the process of an instance. The place in the pool is already counted.
pub(crate) async fn start(
    pool: &Arc<Inner>,
    id: u64,
    function: &Arc<Function>,
    host: &Arc<dyn Host>,
) -> Result<Arc<Instance>, Error> {
    let interpreter = pool.runtimes.find(&function.runtime).await?;
    let own_network = match &pool.options.network {
        Network::Host => None,
        Network::Own { plain_ports } => Some(plain_ports.clone()),
    };
    let listener = match own_network {
        None => {
            Some(TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("runtime endpoint"))?)
        }
        Some(_) => None,
    };
    let api = match &listener {
        Some(listener) => listener.local_addr().map_err(Error::io("runtime endpoint"))?,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, API_PORT)),
    };
    let uid = instance_user(id, &pool.isolation);
    let place = Place::new(pool, id, function, &interpreter)?;
    let stream = log_stream(&function.version);
    let environment = Environment {
        function,
        interpreter: &interpreter,
        layout: &place.layout,
        options: &pool.options,
        credentials: &host.credentials(function, id),
        api: api.to_string(),
        log_stream: &stream,
    };
    let spec = Spec {
        root: place.root.clone(),
        process_files: place.process_files.clone(),
        programs: programs(function, &interpreter, &place.layout, &pool.options),
        environment: environment.variables(),
        directory: place.layout.task.clone(),
        extensions: place.layout.opt.join("extensions"),
        uid,
        seccomp: pool.isolation.seccomp,
        landlock: pool.isolation.landlock,
        open_files_max: OPEN_FILES_MAX,
    };
    let stage = Stage {
        namespaces: pool.isolation.level == IsolationLevel::Namespaces,
        user_namespace: pool.isolation.user_namespace,
        network: own_network,
        nice: if pool.options.background.is_some() { NICE_MAX } else { 0 },
    };
    let (launched, logs) =
        launch(&pool.options.launcher, &stage, &spec).await.map_err(Error::io("launcher"))?;
    let mut names = None;
    let listener = match listener {
        Some(listener) => listener,
        None => {
            let received = receive_network(&launched).await?;
            names = Some(received.names);
            host.network(function, id, received.ends);
            received.api.set_nonblocking(true).map_err(Error::io("runtime endpoint"))?;
            TcpListener::from_std(received.api).map_err(Error::io("runtime endpoint"))?
        }
    };
    let journal = Journal::new(Arc::clone(function), Arc::clone(host), stream, logs)
        .map_err(Error::io("log pipe"))?;
    journal.platform(Platform { function }.init_start(clock::unix_ms()));
    let (meter, freezer) = (Meter::default(), Freezer::new(pool.options.freeze));
    let instance = Arc::new(Instance::new(
        id,
        Arc::clone(function),
        Arc::clone(host),
        journal,
        meter,
        freezer,
        Arc::downgrade(pool),
    ));
    let peers = match names {
        // Nobody else is in its network.
        Some(_) => Peers::Anybody,
        None => Peers::of(&pool.isolation, uid, launched.child.id()),
    };
    watch(pool, &instance, launched, Endpoints { listener, names }, peers, place.dir);
    Ok(instance)
}

/// Opening a network takes milliseconds; a launcher that hangs does not hang us.
async fn receive_network(launched: &Launched) -> Result<network::Received, Error> {
    match clock::within(SHUTDOWN, network::receive(&launched.control)).await {
        Some(received) => received.map_err(Error::io("network")),
        None => Err(Error::Launch("its network was not opened in time".to_owned())),
    }
}

/// What of an instance's network we serve ourselves.
struct Endpoints {
    listener: TcpListener,
    names: Option<dns::Server>,
}

/// A process and the socket by which its launcher speaks with us. When our end closes, the process ends.
struct Launched {
    child: Child,
    control: UnixStream,
}

async fn launch(launcher: &Path, stage: &Stage, spec: &Spec) -> io::Result<(Launched, OwnedFd)> {
    let (control, theirs) = std::os::unix::net::UnixStream::pair()?;
    control.set_nonblocking(true)?;
    let (logs, writer) = io::pipe()?;
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&logs, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    let child = Command::new(launcher)
        .arg(crate::launcher::ARGUMENT)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(writer.try_clone()?))
        .stderr(Stdio::from(writer))
        .process_group(0)
        .spawn()?;
    let mut control = UnixStream::from_std(control)?;
    let mut frames = Vec::new();
    for frame in [serde_json::to_vec(stage)?, serde_json::to_vec(spec)?] {
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        frames.extend_from_slice(&length.to_be_bytes());
        frames.extend_from_slice(&frame);
    }
    // A launcher that fails at once says why before it closes its end.
    let _ = control.write_all(&frames).await;
    Ok((Launched { child, control }, logs.into()))
}

/// The tasks that live as long as the process.
fn watch(
    pool: &Arc<Inner>,
    instance: &Arc<Instance>,
    launched: Launched,
    endpoints: Endpoints,
    peers: Peers,
    dir: Option<PathBuf>,
) {
    let Endpoints { listener, names } = endpoints;
    let api = clock::spawn(runtime_api::serve(listener, Arc::clone(instance), Arc::new(peers)));
    let names = names.map(|names| clock::spawn(names.run()));
    let logs = {
        let instance = Arc::clone(instance);
        clock::spawn(async move { instance.journal.run().await })
    };
    let memory = clock::spawn(watch_memory(Arc::clone(instance)));
    let group = clock::spawn(join_group(
        Arc::clone(&pool.cgroups),
        Arc::clone(instance),
        launched.child.id(),
    ));
    let has_namespace = pool.isolation.level == IsolationLevel::Namespaces;
    let instance = Arc::clone(instance);
    clock::spawn(async move {
        let end = monitor(&instance, launched, has_namespace).await;
        api.abort();
        if let Some(names) = names {
            names.abort();
        }
        memory.abort();
        group.abort();
        // Everything that the process wrote is in the pipe; descendants that keep it open are dead, too.
        let _ = clock::within(Duration::from_millis(200), logs).await;
        let cgroup = group.await.ok().flatten();
        match end {
            End::Exit(exit) => {
                instance.exited(exit, cgroup.as_ref().is_some_and(Cgroup::out_of_memory))
            }
            End::Failed(kind, reason) => instance.broken(kind, &reason),
            End::NotLaunched(reason) => instance.launch_failed(&reason),
        }
        instance.host.gone(instance.id);
        if let Some(pool) = instance.pool() {
            pool.gone(&instance);
        }
        drop(cgroup);
        if let Some(dir) = dir {
            let _ = tokio::fs::remove_dir_all(dir).await;
        }
    });
}

/// Puts the processes of an instance into a group of their own. That costs tens of milliseconds (the kernel waits for
/// a grace period), so it happens a moment after the start: until then only the watch on memory counts.
async fn join_group(
    cgroups: Arc<Cgroups>,
    instance: Arc<Instance>,
    launcher: Option<u32>,
) -> Option<Cgroup> {
    clock::sleep(GROUP_DELAY).await;
    let function = &instance.function;
    let bytes_max = (u64::from(function.memory_mb) + u64::from(function.tmp_mb)) * 1024 * 1024;
    let (id, launcher) = (instance.id, launcher?);
    let work = move || {
        let group = cgroups.create(id, bytes_max, PROCESSES_MAX)?;
        group.adopt(launcher);
        Some(group)
    };
    // An abort while this runs leaves the group to be removed by its own drop.
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

enum End {
    Exit(Exit),
    /// It never ran, for a reason that the function's owner should see.
    Failed(&'static str, String),
    /// It never ran, and that is our matter.
    NotLaunched(String),
}

/// Follows the process to its end, or ends it when told to.
async fn monitor(instance: &Arc<Instance>, launched: Launched, has_namespace: bool) -> End {
    let Launched { mut child, control } = launched;
    let (reader, mut writer) = control.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut heard = Heard { has_namespace, ..Heard::default() };
    let mut registered = false;
    let mut step = Step::Runs;
    loop {
        let changed = instance.extensions.changed.notified();
        let complete = instance.extensions.complete();
        if heard.extensions && complete && !registered {
            registered = true;
            let _ = writer.write_all(b"g").await;
        }
        if matches!(step, Step::Warned(_)) && instance.extensions.all_ended() {
            step = close(&mut writer).await;
        }
        let due = step.due();
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => heard.note(instance, &line),
                _ => break,
            },
            () = instance.stop.notified(), if matches!(step, Step::Runs) => {
                heard.stopping = true;
                instance.thaw();
                let deadline_ms = clock::unix_ms() + millis(SHUTDOWN);
                step = if instance.extensions.shutdown(deadline_ms) {
                    Step::Warned(Moment::now().after(SHUTDOWN))
                } else {
                    close(&mut writer).await
                };
            }
            () = changed => {}
            () = clock::sleep_until(due) => match step {
                Step::Runs => {}
                Step::Warned(_) => step = close(&mut writer).await,
                Step::Closed(_) => {
                    let _ = child.start_kill();
                    break;
                }
            },
        }
    }
    drop(writer);
    if clock::within(KILL_GRACE, child.wait()).await.is_none() {
        let _ = child.kill().await;
    }
    heard.end.unwrap_or(End::Exit(Exit::Signal(9)))
}

/// How far the end of an instance has come.
#[derive(Clone, Copy)]
enum Step {
    Runs,
    /// Extensions have heard that it ends.
    Warned(Moment),
    /// The launcher has heard.
    Closed(Moment),
}

impl Step {
    fn due(self) -> Moment {
        match self {
            Self::Runs => Moment::now().after(Duration::from_secs(3600)),
            Self::Warned(due) | Self::Closed(due) => due,
        }
    }
}

async fn close(writer: &mut tokio::net::unix::OwnedWriteHalf) -> Step {
    let _ = writer.shutdown().await;
    Step::Closed(Moment::now().after(KILL_GRACE))
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// What the launcher has said.
#[derive(Default)]
struct Heard {
    /// Processes have other numbers inside.
    has_namespace: bool,
    /// The first process of the namespace, as we number it.
    init: Option<u32>,
    runs: bool,
    stopping: bool,
    /// There are external extensions.
    extensions: bool,
    end: Option<End>,
}

impl Heard {
    /// `init 11`, `pid 12`, `exit 1`, `signal 9`, `entry …`, `failed …`.
    fn note(&mut self, instance: &Arc<Instance>, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "init" => self.init = rest.parse().ok(),
            "pid" => self.runs = true,
            "exit" => self.end = rest.parse().ok().map(|code| End::Exit(Exit::Code(code))),
            "signal" => self.end = rest.parse().ok().map(|signal| End::Exit(Exit::Signal(signal))),
            "entry" => self.end = Some(End::Failed("Runtime.InvalidEntrypoint", rest.to_owned())),
            "extensions" => {
                self.extensions = true;
                instance.extensions.started(rest.parse().unwrap_or(0));
            }
            "extension-end" => {
                instance.extensions.ended();
                if !self.stopping {
                    instance
                        .extension_failed("Extension.Crash", &format!("extension exited: {rest}"));
                }
            }
            "extension" => self.end = Some(End::Failed("Extension.LaunchError", rest.to_owned())),
            "failed" => {
                tracing::error!(instance = instance.id, reason = rest, "the launcher failed");
                self.end = Some(End::NotLaunched(rest.to_owned()));
            }
            _ => tracing::debug!(line, "unknown word of the launcher"),
        }
        if !self.runs || !matches!(word, "init" | "pid") {
            return;
        }
        // The number that is told is that inside: here the runtime is the child of the first process, of which another
        // process tells, before this or after.
        let pid = match (self.has_namespace, self.init) {
            (true, init) => init.and_then(child_of),
            (false, _) => rest.parse().ok(),
        };
        if let Some(pid) = pid {
            instance.meter.watch(pid);
        }
    }
}

fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    // Extensions were started before it.
    children.split_whitespace().last()?.parse().ok()
}

/// Looks at resident memory while an invocation runs, and ends the process above its limit.
async fn watch_memory(instance: Arc<Instance>) {
    let limit_mb = instance.function.memory_mb;
    // Interpreters need some room of their own below which limits make no sense.
    let limit_mb = if limit_mb == 0 { u32::MAX } else { limit_mb.max(64) };
    loop {
        instance.working().await;
        clock::sleep(MEMORY_WATCH).await;
        if matches!(instance.phase(), Phase::Busy | Phase::Starting)
            && instance.meter.now_mb() > limit_mb
        {
            instance.out_of_memory();
            return;
        }
    }
}

/// Who may speak with a runtime endpoint: every function can reach the host's loopback address.
pub(crate) enum Peers {
    /// The instance has a user of its own.
    User(u32),
    /// It has not: the socket must be held by a process below this one.
    Tree(u32),
    Anybody,
}

impl Peers {
    fn of(isolation: &Isolation, uid: Option<u32>, launcher: Option<u32>) -> Self {
        match (uid, launcher) {
            (Some(uid), _) => Self::User(uid),
            (None, Some(pid)) if isolation.level == IsolationLevel::Namespaces => Self::Tree(pid),
            _ => Self::Anybody,
        }
    }

    /// Looked up once for a connection, which then stays open.
    pub(crate) fn may_connect(&self, peer: SocketAddr, local: Option<SocketAddr>) -> bool {
        let (Some(local), false) = (local, matches!(self, Self::Anybody)) else {
            return true;
        };
        let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else {
            return true;
        };
        let Some((owner, inode)) = socket_owner(&table, peer, local) else {
            return true;
        };
        match *self {
            Self::User(uid) => owner == uid,
            // Zero: closed already.
            Self::Tree(root) => inode == 0 || tree(root).into_iter().any(|pid| holds(pid, inode)),
            Self::Anybody => true,
        }
    }
}

fn holds(pid: u32, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| target.as_os_str() == wanted.as_str())
}

/// User and inode of the socket at `peer` in the kernel's table of connections.
fn socket_owner(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<(u32, u64)> {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => {
            format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port())
        }
        SocketAddr::V6(_) => String::new(),
    };
    let (peer, local) = (hex(peer), hex(local));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let found = *fields.get(1)? == peer && *fields.get(2)? == local;
        let (owner, inode) = (fields.get(7)?, fields.get(9)?);
        found.then(|| Some((owner.parse().ok()?, inode.parse().ok()?))).flatten()
    })
}

/// Root gives every instance a user of its own.
fn instance_user(id: u64, isolation: &Isolation) -> Option<u32> {
    let own = isolation.level == IsolationLevel::Namespaces && !isolation.user_namespace;
    own.then(|| UID_FIRST + u32::try_from(id % UID_COUNT).unwrap_or(0))
}

/// `2024/03/13/[$LATEST]` and 32 hex digits.
fn log_stream(version: &str) -> String {
    let date = Date::of(clock::unix_ms());
    let mut id = [0_u8; 16];
    // Without entropy the name is merely less unique.
    let _ = rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut id);
    format!("{:04}/{:02}/{:02}/[{version}]{}", date.year, date.month, date.day, hex::encode(id))
}

/// Command lines in the order in which they are tried.
fn programs(
    function: &Function,
    interpreter: &Interpreter,
    layout: &Layout,
    options: &Options,
) -> Vec<Entry> {
    let program = interpreter.program.display().to_string();
    let client = |name: &str| layout.runtime.join(name).display().to_string();
    let mut command = match interpreter.kind {
        Kind::Node => {
            let heap_mb = (function.memory_mb / 10 * 9).max(64);
            let mut command = vec![program, format!("--max-old-space-size={heap_mb}")];
            if options.endpoint.ca_bundle.is_some()
                && interpreter.version.parse::<u32>().is_ok_and(|v| v >= 24)
            {
                command.push("--use-openssl-ca".to_owned());
            }
            command.push(client("index.cjs"));
            command
        }
        Kind::Python => vec![program, client("bootstrap.py")],
        Kind::Provided => {
            return [&layout.task, &layout.opt]
                .map(|dir| Entry {
                    command: wrapped(function, vec![dir.join("bootstrap").display().to_string()]),
                })
                .into();
        }
    };
    command = wrapped(function, command);
    vec![Entry { command }]
}

/// `AWS_LAMBDA_EXEC_WRAPPER` gets the command of the runtime as its arguments.
fn wrapped(function: &Function, command: Vec<String>) -> Vec<String> {
    let wrapper = function.environment.iter().find(|(name, _)| name == "AWS_LAMBDA_EXEC_WRAPPER");
    match wrapper.filter(|(_, value)| !value.is_empty()) {
        Some((_, wrapper)) => std::iter::once(wrapper.clone()).chain(command).collect(),
        None => command,
    }
}

/// What an instance sees of the file system.
struct Place {
    layout: Layout,
    root: Option<Root>,
    process_files: Vec<Bind>,
    /// To be removed with the instance.
    dir: Option<PathBuf>,
}

impl Place {
    fn new(
        pool: &Inner,
        id: u64,
        function: &Function,
        interpreter: &Interpreter,
    ) -> Result<Self, Error> {
        match pool.isolation.level {
            IsolationLevel::Namespaces => Self::own_root(pool, id, function, interpreter),
            IsolationLevel::Process => Self::on_host(pool, id, function, interpreter),
        }
    }

    fn own_root(
        pool: &Inner,
        id: u64,
        function: &Function,
        interpreter: &Interpreter,
    ) -> Result<Self, Error> {
        let (files, options) = (&pool.files, &pool.options);
        let mut binds = vec![Bind::read_only(&files.etc, "/etc")];
        if let Some(uid) = instance_user(id, &pool.isolation) {
            binds.push(Bind::read_only(files.users(uid)?, "/etc/passwd"));
        }
        for name in &files.etc_binds {
            let path = Path::new("/etc").join(name);
            binds.push(Bind::read_only(&path, &path));
        }
        for prefix in interpreter.prefixes.iter().filter(|prefix| !is_system(prefix)) {
            binds.push(Bind::read_only(prefix, prefix));
        }
        binds.push(Bind::read_only(&function.code, "/var/task"));
        binds.push(Bind::read_only(&files.runtime, "/var/runtime"));
        let libs = [
            (&options.runtime_libs.node, "node_modules"),
            (&options.runtime_libs.python, "python"),
        ];
        for (from, name) in libs {
            if let Some(from) = from {
                binds.push(Bind::read_only(from, Path::new("/var/runtime").join(name)));
            }
        }
        let ca_bundle = files.ca_bundle.as_ref().map(|from| {
            let to = PathBuf::from("/var/lang/ca-bundle.pem");
            binds.push(Bind::read_only(from, &to));
            to
        });
        let layout = Layout {
            task: "/var/task".into(),
            opt: "/opt".into(),
            runtime: "/var/runtime".into(),
            tmp: "/tmp".into(),
            node_libs: "/var/runtime/node_modules".into(),
            python_libs: "/var/runtime/python".into(),
            ca_bundle,
        };
        let root = Root {
            at: files.root.clone(),
            binds,
            layers: function.layers.clone(),
            tmp_mb: function.tmp_mb.max(1),
        };
        Ok(Self { layout, root: Some(root), process_files: Vec::new(), dir: None })
    }

    fn on_host(
        pool: &Inner,
        id: u64,
        function: &Function,
        interpreter: &Interpreter,
    ) -> Result<Self, Error> {
        let dir = pool.instance_dir(id);
        let (tmp, opt) = (dir.join("tmp"), dir.join("opt"));
        std::fs::create_dir_all(&tmp).map_err(Error::io("instance directory"))?;
        std::fs::create_dir_all(&opt).map_err(Error::io("instance directory"))?;
        for layer in &function.layers {
            crate::launcher::layers::copy(layer, &opt).map_err(Error::io("layers"))?;
        }
        let (files, libs) = (&pool.files, &pool.options.runtime_libs);
        let ca_bundle = pool.files.ca_bundle.clone();
        let node_libs = libs.node.clone().unwrap_or_else(|| files.runtime.join("node_modules"));
        let python_libs = libs.python.clone().unwrap_or_else(|| files.runtime.join("python"));
        let mut process_files: Vec<Bind> =
            ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys/devices"]
                .iter()
                .map(|path| Bind::read_only(path, path))
                .collect();
        let own = [&function.code, &files.runtime, &opt, &node_libs, &python_libs];
        process_files.extend(
            own.into_iter()
                .chain(&interpreter.prefixes)
                .chain(&ca_bundle)
                .map(|p| Bind::read_only(p, p)),
        );
        process_files
            .extend([Path::new("/dev"), tmp.as_path()].map(|path| Bind::writable(path, path)));
        let runtime = files.runtime.clone();
        let layout = Layout {
            task: function.code.clone(),
            opt,
            runtime,
            tmp,
            node_libs,
            python_libs,
            ca_bundle,
        };
        Ok(Self { layout, root: None, process_files, dir: Some(dir) })
    }
}

/// Directories that every instance sees anyway.
fn is_system(path: &Path) -> bool {
    ["/usr", "/bin", "/lib", "/lib64", "/sbin"].iter().any(|dir| path.starts_with(dir))
        || path == Path::new("/")
}

/// Tries the strongest isolation with the real launcher and says what works.
pub(crate) fn probe(options: &Options, cgroups: &Cgroups) -> Isolation {
    let mut isolation = Isolation {
        level: IsolationLevel::Process,
        memory: cgroups.limit(),
        user_namespace: false,
        seccomp: false,
        landlock: false,
        missing: cgroups.missing.iter().cloned().collect(),
    };
    isolation.missing.push("network: functions share the network of the host".to_owned());
    match options.isolation {
        IsolationChoice::Process => {
            isolation.missing.push("namespaces: switched off by the configuration".to_owned());
        }
        IsolationChoice::Auto => {
            match crate::launcher::probe(&options.launcher, &options.dir.join("root")) {
                Ok(user_namespace) => {
                    isolation.level = IsolationLevel::Namespaces;
                    isolation.user_namespace = user_namespace;
                }
                Err(reason) => isolation.missing.push(format!("namespaces: {reason}")),
            }
        }
    }
    crate::launcher::filters(&mut isolation);
    isolation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_owners_are_read_from_the_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1234        0 99 1\n";
        let (peer, local) = (([127, 0, 0, 1], 50000).into(), ([127, 0, 0, 1], 8080).into());
        assert_eq!(socket_owner(table, peer, local), Some((1234, 99)));
        assert_eq!(socket_owner(table, local, peer), None);
    }

    #[test]
    fn log_streams_have_the_name_that_aws_gives_them() {
        let name = log_stream("$LATEST");
        let (date, id) = name.split_once("[$LATEST]").unwrap();
        assert_eq!((date.len(), id.len()), (11, 32));
    }
}
