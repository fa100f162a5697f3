//! `undercast up`: runs the cloud.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture, Shared};
use tokio::net::TcpListener;
use undercast_kernel::http::HttpEndpoint;
use undercast_kernel::{Db, Env, Ids, Kernel, Mode, Settings, Sockets, Vault};
use undercast_lambda::{OpenSandbox, Sandboxes};
use undercast_patterns::Room;
use undercast_sandbox::{Background, Endpoint, IsolationLevel, Network, Sandbox};
use undercast_store::{Durability, Error as StoreError, Location, Options, TaskRunner};
use undercast_wire::Gateway;
use undercast_wire::serve::serve_with;

use crate::authority::{Authority, write_secret};
use crate::control::{About, Control};
use crate::dark::DarkSockets;
use crate::fetch::Outward;
use crate::keeper::{self, Keeper};
use crate::listeners::{Inner, bind_inner, tls};
use crate::relay::Relay;
use crate::services;
use crate::terminal::{Colour, Failure, note, paint};

/// Runs the cloud until it is told to stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on. Anything but loopback needs --secure.
    #[arg(long, env = "UNDERCAST_LISTEN", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Folder that holds everything: the store, blobs, the certificate authority.
    #[arg(long, env = "UNDERCAST_DATA", default_value = ".undercast")]
    data: PathBuf,
    /// Where the data is: `embedded`, `memory` (forgets everything at the end) or `postgres://…`.
    #[arg(long, env = "UNDERCAST_STORE", default_value = "embedded")]
    store: String,
    /// When an acknowledged write is on disk.
    #[arg(long, env = "UNDERCAST_DURABILITY", default_value = "fsync")]
    durability: DurabilityArg,
    /// Verify signatures, enforce policies, speak TLS.
    #[arg(long, env = "UNDERCAST_SECURE")]
    secure: bool,
    /// Region of calls that name none.
    #[arg(long, env = "UNDERCAST_REGION", default_value = "us-east-1")]
    region: String,
    /// URL that stands in addresses made where no client asked.
    #[arg(long, env = "UNDERCAST_PUBLIC_URL")]
    public_url: Option<String>,
    /// How many function instances may run at once.
    #[arg(long, env = "UNDERCAST_INSTANCES_MAX", default_value_t = 128)]
    instances_max: usize,
    /// How many instances may run candidates in the dark at once.
    #[arg(long, env = "UNDERCAST_DARK_INSTANCES_MAX", default_value_t = 4)]
    dark_instances_max: usize,
    /// How much memory, in MiB, all candidates in the dark may use together.
    #[arg(long, env = "UNDERCAST_DARK_MEMORY_MAX", default_value_t = 2048)]
    dark_memory_max: u64,
    /// How much of a busy processor all candidates get together, in percent of what one process of others gets.
    #[arg(long, env = "UNDERCAST_DARK_CPU_SHARE", default_value_t = 25)]
    dark_cpu_share: u16,
    /// With more runnable processes for each processor than this, candidates rest.
    #[arg(long, env = "UNDERCAST_DARK_LOAD_MAX", default_value_t = Room::default().load_max)]
    dark_load_max: f64,
    /// With less than this share of the processors' time idle, in percent, candidates rest.
    #[arg(long, env = "UNDERCAST_DARK_IDLE_MIN", default_value_t = Room::default().idle_min * 100.0)]
    dark_idle_min: f64,
    /// Folder with `node_modules` that managed Node.js functions can require (such as @aws-sdk/*).
    #[arg(long, env = "UNDERCAST_NODE_LIBS")]
    node_libs: Option<PathBuf>,
    /// Folder with packages that managed Python functions can import (such as boto3).
    #[arg(long, env = "UNDERCAST_PYTHON_LIBS")]
    python_libs: Option<PathBuf>,
    /// What to report: error, warn, info, debug, or a filter such as `undercast::wire=debug`.
    #[arg(long, env = "UNDERCAST_LOG", default_value = "warn")]
    log: String,
    /// Answers what was given beforehand instead of running anything: for proving the wire.
    #[arg(long, hide = true)]
    echo: bool,
}

/// How long, and how often, a start waits for what a process before it may still hold.
const HANDOVER: Duration = Duration::from_millis(20);
const HANDOVERS_MAX: u32 = 50;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DurabilityArg {
    Fsync,
    Interval,
    None,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&args.log))
        .with_writer(std::io::stderr)
        .init();
    if !args.secure && !args.listen.ip().is_loopback() {
        return Err(format!("{} can be reached from outside: that needs --secure", args.listen));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(serve(args))
}

async fn serve(args: Args) -> Result<ExitCode, Failure> {
    // The listener first: who comes early waits for the first answer instead of failing.
    let listener = patiently(
        || TcpListener::bind(args.listen),
        |error| error.kind() == std::io::ErrorKind::AddrInUse,
    )
    .await
    .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let db = open_store(&args).await?;
    let authority = Authority::open(&args.data.join("authority"))?;
    let mut notes = Vec::new();
    let relay = Relay::default();
    let inner = match bind_inner(&relay.names).await {
        Ok(inner) => Some(inner),
        Err(why) => {
            notes.push(format!("functions reach the cloud only through AWS_ENDPOINT_URL: ports 443 and 53 are not ours to bind ({why})"));
            None
        }
    };
    let vault = keeper::vault(&args.data, db.env().ids.as_ref())?;
    let kernel = Kernel::new(db.clone(), settings(&args, address, inner.as_ref(), vault));
    let sandbox = open_sandbox(&args, &kernel, &authority, inner.as_ref())?;
    let dark = Arc::new(OnceLock::new());
    let has_networks = has_networks(&sandbox);
    let sockets =
        DarkSockets::new(tls(&authority, address.ip())?, args.secure, has_networks, relay.clone());
    let sockets = Arc::new(sockets);
    kernel.provide_sockets(Arc::clone(&sockets) as Arc<dyn Sockets>);
    kernel.provide_fetch(Arc::new(Outward::new()));
    kernel.install(services::all(
        &kernel,
        services::Settings {
            sandboxes: Sandboxes {
                live: sandbox.clone(),
                dark: Some(dark_sandbox(&args, &kernel, &authority, &sandbox, address, &dark)?),
            },
            data: &std::path::absolute(&args.data).map_err(|e| e.to_string())?,
            dark_room: Room { load_max: args.dark_load_max, idle_min: args.dark_idle_min / 100.0 },
        },
    ));
    let token = control_token(&args.data, db.env().ids.as_ref())?;
    let keeper = Keeper::new(args.data.clone(), kernel.clone());
    if args.store == "memory" {
        Keeper::forget(&args.data).map_err(|e| e.to_string())?;
    }
    keeper.finish().await.map_err(|e| format!("the restore that had begun: {e}"))?;
    keeper.start().await.map_err(|e| e.to_string())?;
    let runner = TaskRunner::start(db.clone(), kernel.task_kinds());
    let about = About {
        store: store_name(&args),
        durability: format!("{:?}", args.durability).to_lowercase(),
        inner_address: inner.as_ref().map(|i| i.address.to_string()),
        notes: notes.clone(),
        token,
    };
    let gateway = gateway(&args, &kernel, &sandbox, about, keeper, relay);
    sockets.open(&gateway);
    announce(&args, &kernel, address, &sandbox, &notes);
    let wrap = if args.secure { Some(tls(&authority, address.ip())?) } else { None };
    let scheme = if args.secure { "https" } else { "http" };
    let stop = stop_signal();
    let main = serve_with(listener, gateway.clone(), scheme, wrap, stop.clone());
    match inner {
        Some(inner) => {
            db.env().spawn("dns", inner.dns.run());
            let wrap = tls(&authority, IpAddr::V4(inner.address))?;
            let plain = inner
                .plain
                .map(|plain| serve_with(plain, gateway.clone(), "http", None, stop.clone()));
            let tls = serve_with(inner.tls, gateway, "https", Some(wrap), stop);
            futures::join!(main, tls, OptionFuture::from(plain));
        }
        None => main.await,
    }
    runner.drain().await;
    sandbox.drain().await;
    if let Some(dark) = dark.get() {
        dark.drain().await;
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn open_store(args: &Args) -> Result<Db, Failure> {
    std::fs::create_dir_all(&args.data).map_err(|e| format!("{}: {e}", args.data.display()))?;
    let mut options = match args.store.as_str() {
        "embedded" => Options::dir(args.data.join("store")),
        "memory" => Options::memory(),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let mut options = Options::dir(args.data.join("store"));
            options.location =
                Location::Postgres { url: url.to_owned(), blobs: args.data.join("blobs") };
            options
        }
        other => {
            return Err(format!("--store {other}: expected embedded, memory or postgres://…"));
        }
    };
    options.durability = match args.durability {
        DurabilityArg::Fsync => Durability::Fsync,
        DurabilityArg::Interval => Durability::Interval,
        DurabilityArg::None => Durability::None,
    };
    let env = Env::system();
    env.clock.advance(keeper::offset(&args.data).map_err(|e| format!("the clock: {e}"))?);
    patiently(
        || Db::open(options.clone(), env.clone()),
        |error| matches!(error, StoreError::Locked { .. }),
    )
    .await
    .map_err(|e| format!("the store cannot be opened: {e}"))
}

/// Tries again for a moment while port or folder are `taken`: a cloud that was killed in the instant
/// in which it started a function leaves both to that process, until that has become another program.
async fn patiently<T, E, F: Future<Output = Result<T, E>>>(
    mut attempt: impl FnMut() -> F,
    taken: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let clock = Env::system().clock;
    for _ in 0..HANDOVERS_MAX {
        match attempt().await {
            Err(error) if taken(&error) => clock.sleep(HANDOVER).await,
            result => return result,
        }
    }
    attempt().await
}

fn store_name(args: &Args) -> String {
    if args.store.starts_with("postgres") { "postgres".to_owned() } else { args.store.clone() }
}

fn settings(args: &Args, address: SocketAddr, inner: Option<&Inner>, vault: Vault) -> Settings {
    let scheme = if args.secure { "https" } else { "http" };
    let public_url = args.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let callback_url = match inner {
        // Resolves to us inside functions, on 443 without saying so.
        Some(_) => "https://cloudformation-custom-resource-response.s3.amazonaws.com".to_owned(),
        None => public_url.clone(),
    };
    Settings {
        mode: if args.secure { Mode::Secure } else { Mode::Open },
        public_url,
        callback_url,
        region: args.region.clone(),
        vault,
        ..Settings::default()
    }
}

fn open_sandbox(
    args: &Args,
    kernel: &Kernel,
    authority: &Authority,
    inner: Option<&Inner>,
) -> Result<Sandbox, Failure> {
    let dns = inner.map(|i| IpAddr::V4(i.address));
    let mut options = sandbox_options(args, kernel, authority, "sandbox", dns)?;
    options.instances_max = args.instances_max;
    Sandbox::new(options).map_err(|e| format!("functions cannot run: {e}"))
}

/// Where candidates run: few at a time, behind everybody else, in networks of their own where the
/// machine has them. Opened when the first of them comes.
fn dark_sandbox(
    args: &Args,
    kernel: &Kernel,
    authority: &Authority,
    live: &Sandbox,
    address: SocketAddr,
    opened: &Arc<OnceLock<Sandbox>>,
) -> Result<OpenSandbox, Failure> {
    let has_networks = has_networks(live);
    let dns = has_networks.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut options = sandbox_options(args, kernel, authority, "dark", dns)?;
    if has_networks {
        // The first is our own port, so that the endpoint's address means the same inside.
        let plain_ports = if address.port() == 80 { vec![80] } else { vec![address.port(), 80] };
        options.network = Network::Own { plain_ports };
    }
    options.instances_max = args.dark_instances_max;
    options.idle = Duration::from_secs(60);
    options.background = Some(Background {
        memory_bytes_max: args.dark_memory_max << 20,
        cpu_percent: args.dark_cpu_share,
    });
    let opened = Arc::clone(opened);
    Ok(Arc::new(move || {
        let sandbox = Sandbox::new(options.clone())
            .map_err(|e| format!("functions cannot run in the dark: {e}"))?;
        let _ = opened.set(sandbox.clone());
        Ok(sandbox)
    }))
}

/// Whether instances can have networks of their own here.
fn has_networks(live: &Sandbox) -> bool {
    live.isolation().level == IsolationLevel::Namespaces
}

fn sandbox_options(
    args: &Args,
    kernel: &Kernel,
    authority: &Authority,
    folder: &str,
    dns: Option<IpAddr>,
) -> Result<undercast_sandbox::Options, Failure> {
    let launcher = std::env::current_exe().map_err(|e| e.to_string())?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| e.to_string());
    let endpoint = Endpoint {
        url: kernel.settings().public_url.clone(),
        ca_bundle: Some(absolute(&authority.bundle)?),
        dns,
    };
    let folder = absolute(&args.data)?.join(folder);
    let mut options = undercast_sandbox::Options::new(folder, launcher, endpoint);
    options.runtime_libs.node.clone_from(&args.node_libs);
    options.runtime_libs.python.clone_from(&args.python_libs);
    Ok(options)
}

/// What shows that somebody may control the cloud: who can read the data folder can.
fn control_token(data: &Path, ids: &dyn Ids) -> Result<String, Failure> {
    let path = data.join("control-token");
    if let Ok(token) = std::fs::read_to_string(&path) {
        return Ok(token.trim().to_owned());
    }
    let token = ids.alphanumeric(40);
    write_secret(&path, &token).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(token)
}

fn gateway(
    args: &Args,
    kernel: &Kernel,
    sandbox: &Sandbox,
    about: About,
    keeper: Keeper,
    relay: Relay,
) -> Gateway {
    let control = Control { about, sandbox: sandbox.clone(), keeper: Arc::new(keeper) };
    let options = undercast_wire::Options {
        routes: vec![Arc::new(relay) as Arc<dyn HttpEndpoint>, Arc::new(control)],
        echo: args.echo.then(undercast_wire::echo::Echo::default),
        ..undercast_wire::Options::default()
    };
    Gateway::new(kernel.clone(), options)
}

fn announce(
    args: &Args,
    kernel: &Kernel,
    address: SocketAddr,
    sandbox: &Sandbox,
    notes: &[String],
) {
    let settings = kernel.settings();
    note(&format!("{} {}", paint(Colour::Bold, "Undercast"), env!("CARGO_PKG_VERSION")));
    note(&format!("  endpoint   {}", settings.public_url));
    if args.public_url.is_some() {
        note(&format!("  listening  {address}"));
    }
    note(&format!(
        "  store      {} in {} ({:?})",
        store_name(args),
        args.data.display(),
        args.durability
    ));
    note(&format!("  functions  {}", sandbox.isolation()));
    for line in notes {
        note(&format!("  {} {line}", paint(Colour::Yellow, "note")));
    }
    note("");
    note(&format!(
        "  export AWS_ENDPOINT_URL={} AWS_REGION={} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
        settings.public_url, settings.region
    ));
}

/// Done when the process is told to stop, for everybody who holds it. It listens from the call on: a signal
/// that comes before the last listener is served is heard by that, too.
fn stop_signal() -> Shared<BoxFuture<'static, ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut term), Ok(mut int)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        {
            let stop = async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
            };
            return stop.boxed().shared();
        }
    }
    async { drop(tokio::signal::ctrl_c().await) }.boxed().shared()
}
