//! Memory: limits by control groups where we may write them, and what a process uses.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::isolation::MemoryLimit;
use crate::options::Background;

/// Groups in which instances can be put.
#[derive(Debug)]
pub(crate) struct Cgroups {
    version: Option<MemoryLimit>,
    parents: Arc<Parents>,
    pub(crate) missing: Option<String>,
}

/// Where a directory per instance is made: memory first, then (v1) others. Removed with the last instance.
#[derive(Debug)]
struct Parents(Vec<PathBuf>);

/// The groups of one instance; removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    version: MemoryLimit,
    dirs: Vec<PathBuf>,
    parents: Arc<Parents>,
}

impl Cgroups {
    /// Looks for a writable memory controller, version 2 first.
    pub(crate) fn find(background: Option<&Background>) -> Self {
        let found = Self::look(background.is_some());
        if let Some(background) = background {
            found.parents.put_behind(background);
        }
        found
    }

    fn look(with_cpu: bool) -> Self {
        let Ok(own) = fs::read_to_string("/proc/self/cgroup") else {
            return Self::without("no control groups on this host");
        };
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let found = Self::version_2(&own, &mounts, with_cpu)
            .or_else(|| Self::version_1(&own, &mounts, with_cpu));
        let missing = "no writable memory control group: resident memory is watched instead";
        found.unwrap_or_else(|| Self::without(missing))
    }

    fn without(why: &str) -> Self {
        Self {
            version: None,
            parents: Arc::new(Parents(Vec::new())),
            missing: Some(why.to_owned()),
        }
    }

    fn version_2(own: &str, mounts: &str, with_cpu: bool) -> Option<Self> {
        let mount = mount_point(mounts, "cgroup2", None)?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let own = join(&mount, path);
        // A group that holds processes cannot give controllers to children: then beside us.
        [Some(own.as_path()), own.parent().filter(|p| p.starts_with(&mount))]
            .into_iter()
            .flatten()
            .find_map(|base| {
                sweep(base);
                if with_cpu {
                    let _ = fs::write(base.join("cgroup.subtree_control"), "+cpu");
                }
                let dir = base.join(name());
                fs::create_dir(&dir).ok()?;
                let usable = dir.join("memory.max").exists()
                    && fs::write(dir.join("cgroup.subtree_control"), "+memory +pids").is_ok();
                if !usable {
                    let _ = fs::remove_dir(&dir);
                    return None;
                }
                Some(Self {
                    version: Some(MemoryLimit::CgroupV2),
                    parents: Arc::new(Parents(vec![dir])),
                    missing: None,
                })
            })
    }

    fn version_1(own: &str, mounts: &str, with_cpu: bool) -> Option<Self> {
        let name = name();
        let make = |controller: &str| -> Option<PathBuf> {
            let mount = mount_point(mounts, "cgroup", Some(controller))?;
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let named = parts.next()?.split(',').any(|c| c == controller);
                parts.next().filter(|_| named)
            })?;
            let base = join(&mount, path);
            sweep(&base);
            let dir = base.join(&name);
            fs::create_dir(&dir).ok()?;
            Some(dir)
        };
        let memory = make("memory")?;
        let cpu = with_cpu.then(|| make("cpu")).flatten();
        let parents = std::iter::once(memory).chain(make("pids")).chain(cpu).collect();
        Some(Self {
            version: Some(MemoryLimit::CgroupV1),
            parents: Arc::new(Parents(parents)),
            missing: None,
        })
    }

    pub(crate) fn limit(&self) -> MemoryLimit {
        self.version.unwrap_or(MemoryLimit::Watched)
    }

    /// Groups for one instance. The limit leaves room for `/tmp`, which lives in memory.
    pub(crate) fn create(&self, id: u64, bytes_max: u64, processes_max: u64) -> Option<Cgroup> {
        let version = self.version?;
        let mut group = Cgroup { version, dirs: Vec::new(), parents: Arc::clone(&self.parents) };
        for parent in &group.parents.0.clone() {
            let dir = parent.join(id.to_string());
            fs::create_dir(&dir).ok()?;
            group.dirs.push(dir);
        }
        fs::write(group.dirs.first()?.join(memory_file(version)), bytes_max.to_string()).ok()?;
        write_where_it_is(&group.dirs, "pids.max", &processes_max.to_string());
        Some(group)
    }
}

fn memory_file(version: MemoryLimit) -> &'static str {
    if version == MemoryLimit::CgroupV2 { "memory.max" } else { "memory.limit_in_bytes" }
}

/// Writes a file of whichever of these directories has it.
fn write_where_it_is(dirs: &[PathBuf], file: &str, value: &str) {
    for path in dirs.iter().map(|dir| dir.join(file)).filter(|path| path.exists()) {
        if let Err(error) = fs::write(&path, value) {
            tracing::debug!("{}: {error}", path.display());
        }
    }
}

impl Parents {
    /// All instances together get a small share of a busy processor, and no more memory than this.
    fn put_behind(&self, background: &Background) {
        let memory = background.memory_bytes_max.to_string();
        for version in [MemoryLimit::CgroupV1, MemoryLimit::CgroupV2] {
            write_where_it_is(&self.0, memory_file(version), &memory);
        }
        // Not an idle group: with too little, candidates starve, and what they do not answer in time looks like a
        // difference.
        let shares = (u64::from(background.cpu_percent) * 1024 / 100).clamp(2, 262_144).to_string();
        let weight = u64::from(background.cpu_percent).clamp(1, 10_000).to_string();
        for (file, value) in [("cpu.shares", shares), ("cpu.weight", weight)] {
            write_where_it_is(&self.0, file, &value);
        }
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = fs::remove_dir(dir);
        }
    }
}

impl Cgroup {
    /// Moves a process and everything below it. What is forked meanwhile is found in the next round.
    pub(crate) fn adopt(&self, root: u32) {
        let mut moved = HashSet::new();
        for _ in 0..4 {
            let before = moved.len();
            for pid in tree(root) {
                if moved.insert(pid) {
                    for dir in &self.dirs {
                        let _ = fs::write(dir.join("cgroup.procs"), pid.to_string());
                    }
                }
            }
            if moved.len() == before {
                return;
            }
        }
    }

    /// Whether the kernel has ended a process of this group for its memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        let Some(dir) = self.dirs.first() else {
            return false;
        };
        let file = if self.version == MemoryLimit::CgroupV2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim() != "0")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for dir in &self.dirs {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// A process and everything below it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        all.extend(children_of(pid));
        at += 1;
    }
    all
}

/// Children of every thread of a process.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// One for each sandbox of this process.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("undercast-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Removes what a killed process has left behind.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix("undercast-")) else {
            continue;
        };
        let pid = rest.split('-').next().unwrap_or_default();
        if !pid.is_empty()
            && pid.chars().all(|c| c.is_ascii_digit())
            && !Path::new("/proc").join(pid).exists()
        {
            for child in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(child.path());
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn join(mount: &Path, path: &str) -> PathBuf {
    mount.join(path.trim_start_matches('/'))
}

fn mount_point(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, fs_kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let matches =
            fs_kind == kind && option.is_none_or(|wanted| options.split(',').any(|o| o == wanted));
        matches.then(|| PathBuf::from(at))
    })
}

/// Resident memory of one instance.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    statm: OnceLock<(u32, fs::File)>,
    peak_mb: AtomicU32,
}

impl Meter {
    /// The process of the runtime, once it is known.
    pub(crate) fn watch(&self, pid: u32) {
        if let Ok(file) = fs::File::open(format!("/proc/{pid}/statm")) {
            let _ = self.statm.set((pid, file));
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.statm.get().map(|(pid, _)| *pid)
    }

    #[cfg(unix)]
    pub(crate) fn now_mb(&self) -> u32 {
        use std::os::unix::fs::FileExt;
        let Some((_, file)) = self.statm.get() else {
            return 0;
        };
        let mut buffer = [0_u8; 128];
        let Ok(length) = file.read_at(&mut buffer, 0) else {
            return 0;
        };
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        // Pages of 4 KiB: what x86-64 and nearly every arm64 kernel has.
        let mb = u32::try_from((pages * 4096).div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
        self.peak_mb.fetch_max(mb, Ordering::Relaxed);
        mb
    }

    pub(crate) fn peak_mb(&self) -> u32 {
        self.now_mb();
        self.peak_mb.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_kind_and_controller() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /u cgroup2 rw 0 0\n";
        assert_eq!(
            mount_point(mounts, "cgroup", Some("memory")),
            Some("/sys/fs/cgroup/memory".into())
        );
        assert_eq!(mount_point(mounts, "cgroup2", None), Some("/u".into()));
        assert_eq!(mount_point(mounts, "cgroup", Some("pids")), None);
    }

    #[test]
    fn own_memory_is_seen() {
        let meter = Meter::default();
        meter.watch(std::process::id());
        assert!(meter.peak_mb() > 0);
    }
}
