//! Code archives: nothing is written outside the folder, nothing grows beyond the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undercast_sandbox::{UnpackLimits, unpack};

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("undercast-fuzz-{}", std::process::id()));
    let into = folder.join("inside");
    let _ = std::fs::create_dir_all(&folder);
    let _ = unpack(bytes, &into, UnpackLimits::default());
    let outside = std::fs::read_dir(&folder).map_or(0, |entries| {
        entries.flatten().filter(|e| e.file_name() != "inside").count()
    });
    assert_eq!(outside, 0);
    let _ = std::fs::remove_dir_all(&folder);
});
