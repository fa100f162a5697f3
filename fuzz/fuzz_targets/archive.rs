//! Code archives: nothing is written outside the folder, nothing grows beyond the limits.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use undercast_sandbox::{UnpackLimits, unpack};

const BYTES_MAX: u64 = 4 << 20;

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let sizes = entries.map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => bytes_below(&entry.path()),
        kind if kind.is_symlink() => {
            let target = std::fs::read_link(entry.path()).unwrap();
            let known = ["/var/task", "/opt", "/tmp"].iter().any(|dir| target.starts_with(dir));
            assert!(target.is_relative() || known, "{target:?}");
            0
        }
        _ => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in(shared_memory()).unwrap();
    let into = folder.path().join("inside");
    let limits = UnpackLimits { bytes_max: BYTES_MAX, entries_max: 100, ..UnpackLimits::default() };
    let unpacked = unpack(bytes, &into, limits);
    let known = ["inside", "inside.unpacked"];
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        assert!(known.iter().any(|name| entry.file_name() == **name), "{:?}", entry.file_name());
    }
    match unpacked {
        Ok(report) => {
            assert!(report.bytes <= BYTES_MAX);
            assert!(bytes_below(&into) <= BYTES_MAX);
        }
        Err(_) => assert!(!into.exists()),
    }
});

fn shared_memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
