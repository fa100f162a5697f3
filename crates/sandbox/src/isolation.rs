//! How far a process is kept apart, and what is missing for more.

use std::fmt;

/// What the owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationChoice {
    /// The strongest that works here.
    #[default]
    Auto,
    /// A plain process with limits.
    Process,
}

/// What is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Own process group and limits; the file system is the host's (restricted by Landlock where that works).
    Process,
    /// Own mount, process, IPC and host-name namespaces, own root, no capabilities, system call filter.
    Namespaces,
}

/// How memory is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    CgroupV1,
    CgroupV2,
    /// Resident memory is looked at while an invocation runs.
    Watched,
}

/// The report of [`crate::Sandbox::isolation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    pub level: IsolationLevel,
    pub memory: MemoryLimit,
    /// Namespaces are made inside a user namespace (we are not root).
    pub user_namespace: bool,
    /// System calls are filtered.
    pub seccomp: bool,
    /// Landlock restricts files (process level) or abstract sockets (namespaces).
    pub landlock: bool,
    /// What is not active, and why.
    pub missing: Vec<String>,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            IsolationLevel::Process => "process",
            IsolationLevel::Namespaces => "namespaces",
        };
        let memory = match self.memory {
            MemoryLimit::CgroupV1 => "cgroup v1",
            MemoryLimit::CgroupV2 => "cgroup v2",
            MemoryLimit::Watched => "watched",
        };
        write!(f, "{level}, memory {memory}")?;
        for (on, name) in [
            (self.user_namespace, "user namespace"),
            (self.seccomp, "seccomp"),
            (self.landlock, "landlock"),
        ] {
            if on {
                write!(f, ", {name}")?;
            }
        }
        for missing in &self.missing {
            write!(f, "; {missing}")?;
        }
        Ok(())
    }
}
