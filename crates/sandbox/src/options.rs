//! What the owner of a sandbox chooses.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::isolation::IsolationChoice;

/// Settings of a [`crate::Sandbox`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Working area: runtime clients, prepared `/etc`, instance directories. Created if absent.
    pub dir: PathBuf,
    /// Cap on processes for the whole host.
    pub instances_max: usize,
    /// An instance that is idle for this long is stopped.
    pub idle: Duration,
    pub isolation: IsolationChoice,
    pub endpoint: Endpoint,
    /// The binary that is re-executed as `<launcher> __launch`; it must call [`crate::launcher_main`].
    pub launcher: PathBuf,
    pub runtime_libs: RuntimeLibs,
    /// Where interpreters are looked for, as in `PATH`; the process's own when absent.
    pub search_path: Option<String>,
    /// Stop instances that wait for an event, as Lambda freezes them.
    pub freeze: bool,
    pub network: Network,
    /// Instances stand behind everybody else.
    pub background: Option<Background>,
}

/// What instances get that stand behind everybody else: the lowest priority, and where there are control groups together a
/// small share of a busy processor and this much memory.
#[derive(Debug, Clone, Copy)]
pub struct Background {
    /// Of a busy processor, as percent of what one process of others gets; all instances together.
    pub cpu_percent: u16,
    pub memory_bytes_max: u64,
}

/// Which network an instance has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// That of the host.
    #[default]
    Host,
    /// One of its own, out of which nothing leads but the sockets that [`crate::Host::network`] is
    /// given: TLS on 443, and these ports. Every name and every address leads there. Needs namespaces.
    Own { plain_ports: Vec<u16> },
}

impl Options {
    /// Options with defaults for everything that has one.
    #[must_use]
    pub fn new(dir: PathBuf, launcher: PathBuf, endpoint: Endpoint) -> Self {
        Self {
            dir,
            launcher,
            endpoint,
            instances_max: 128,
            idle: Duration::from_secs(300),
            isolation: IsolationChoice::Auto,
            runtime_libs: RuntimeLibs::default(),
            search_path: None,
            freeze: true,
            network: Network::Host,
            background: None,
        }
    }
}

/// How a function reaches us.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// `AWS_ENDPOINT_URL` inside functions, e.g. `http://127.0.0.1:4566`. Empty: not set.
    pub url: String,
    /// PEM bundle (our authority and the public ones) that every runtime is told to trust. Read once,
    /// when the sandbox is made.
    pub ca_bundle: Option<PathBuf>,
    /// Name server for functions; with none they use the host's.
    pub dns: Option<IpAddr>,
}

/// Libraries that AWS's managed runtimes bring along.
#[derive(Debug, Clone, Default)]
pub struct RuntimeLibs {
    /// A `node_modules` directory (`@aws-sdk/*`).
    pub node: Option<PathBuf>,
    /// A `site-packages` directory (`boto3`).
    pub python: Option<PathBuf>,
}
