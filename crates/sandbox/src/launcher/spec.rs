//! What the launcher is told, as two JSON frames on its standard input.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// First frame: what must happen before the process has its namespaces.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stage {
    pub namespaces: bool,
    /// We are not root: namespaces are made inside a user namespace.
    pub user_namespace: bool,
    /// A network of its own, with listeners on these ports.
    pub network: Option<Vec<u16>>,
    pub nice: i32,
}

/// Second frame: the place and the program.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spec {
    pub root: Option<Root>,
    /// Without a root of its own: what Landlock lets it see.
    pub process_files: Vec<Bind>,
    /// The first that exists is run.
    pub programs: Vec<Entry>,
    pub environment: Vec<(String, String)>,
    pub directory: PathBuf,
    /// Every executable in it is started before the program.
    pub extensions: PathBuf,
    /// User to become (root only).
    pub uid: Option<u32>,
    pub seccomp: bool,
    pub landlock: bool,
    pub open_files_max: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    pub command: Vec<String>,
}

/// A file system made of binds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Root {
    /// An empty directory.
    pub at: PathBuf,
    pub binds: Vec<Bind>,
    /// Become `/opt`; a later one wins.
    pub layers: Vec<PathBuf>,
    pub tmp_mb: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    pub from: PathBuf,
    pub to: PathBuf,
    pub writable: bool,
}

impl Bind {
    pub(crate) fn read_only(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Self {
        Self { from: from.as_ref().into(), to: to.as_ref().into(), writable: false }
    }

    pub(crate) fn writable(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Self {
        Self { from: from.as_ref().into(), to: to.as_ref().into(), writable: true }
    }
}
