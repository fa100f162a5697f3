//! Archives from strangers.

use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use undercast_sandbox::{UnpackError, UnpackLimits, unpack};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

enum Item<'a> {
    File(&'a str, &'a [u8], u32),
    Link(&'a str, &'a str),
    Dir(&'a str),
}
use Item::{Dir, File, Link};

fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for item in items {
        match item {
            File(name, bytes, mode) => {
                writer
                    .start_file(*name, SimpleFileOptions::default().unix_permissions(*mode))
                    .unwrap();
                writer.write_all(bytes).unwrap();
            }
            Link(name, target) => {
                writer.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap()
            }
            Dir(name) => writer.add_directory(*name, SimpleFileOptions::default()).unwrap(),
        }
    }
    writer.finish().unwrap().into_inner()
}

fn refused(items: &[Item<'_>], limits: UnpackLimits) -> UnpackError {
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(&archive(items), &dir.path().join("sub/code"), limits).unwrap_err();
    // Nothing is left behind, inside or beside.
    assert!(!dir.path().join("sub/code").exists());
    assert_eq!(std::fs::read_dir(dir.path().join("sub")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    error
}

#[test]
fn an_archive_becomes_a_directory_once() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("code");
    let zip = archive(&[
        Dir("empty/"),
        File("a/run.sh", b"#!", 0o755),
        File("index.js", b"x", 0o644),
        Link("link.js", "index.js"),
    ]);
    let report = unpack(&zip, &into, UnpackLimits::default()).unwrap();
    assert_eq!((report.files, report.bytes, report.reused), (3, 3, false));
    assert!(into.join("empty").is_dir());
    assert_eq!(std::fs::read(into.join("link.js")).unwrap(), b"x");
    let mode =
        |name: &str| std::fs::metadata(into.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a/run.sh"), mode("index.js")), (0o755, 0o644));
    assert!(unpack(&zip, &into, UnpackLimits::default()).unwrap().reused);
    let other =
        unpack(&archive(&[File("b", b"2", 0o644)]), &into, UnpackLimits::default()).unwrap();
    assert!(!other.reused && into.join("b").exists() && !into.join("index.js").exists());
}

#[test]
fn nothing_leads_outside() {
    let limits = UnpackLimits::default();
    for name in ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "a/b/../../../x"] {
        assert!(
            matches!(refused(&[File(name, b"x", 0o644)], limits), UnpackError::Escape { .. }),
            "{name}"
        );
    }
    for target in ["/etc/passwd", "../outside", "a/../../outside", "/proc/self/environ"] {
        assert!(
            matches!(refused(&[Link("l", target)], limits), UnpackError::Escape { .. }),
            "{target}"
        );
    }
    // A link to a directory, then a file through it.
    refused(&[Link("d", "sub"), File("d/x", b"x", 0o644)], limits);
    // Two links that are harmless one by one.
    refused(
        &[Dir("a/b/"), Link("up", "a/b"), Link("a/out", "../up/../../.."), File("z", b"", 0o644)],
        limits,
    );
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0_u8; 3_000_000];
    let small = UnpackLimits { bytes_max: 1_000_000, ..UnpackLimits::default() };
    assert!(matches!(
        refused(&[File("zeros", &zeros, 0o644)], small),
        UnpackError::TooLarge { .. }
    ));
    let half = &zeros[..600_000];
    assert!(matches!(
        refused(&[File("a", half, 0o644), File("b", half, 0o644)], small),
        UnpackError::TooLarge { .. }
    ));
    let few = UnpackLimits { entries_max: 2, ..UnpackLimits::default() };
    let three = [File("a", b"", 0o644), File("b", b"", 0o644), File("c", b"", 0o644)];
    assert!(matches!(refused(&three, few), UnpackError::TooManyEntries { .. }));
    let deep = "d/".repeat(100) + "f";
    assert!(matches!(
        refused(&[File(&deep, b"", 0o644)], UnpackLimits::default()),
        UnpackError::Escape { .. }
    ));
}

#[test]
fn a_false_size_is_found_out() {
    let mut zip = archive(&[File("zeros", &vec![0_u8; 2_000_000], 0o644)]);
    // The uncompressed size stands in the local and in the central header.
    let (size, lie) = (2_000_000_u32.to_le_bytes(), 10_u32.to_le_bytes());
    for at in 0..zip.len() - 4 {
        if zip[at..at + 4] == size {
            zip[at..at + 4].copy_from_slice(&lie);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let limits = UnpackLimits { bytes_max: 1_000_000, ..UnpackLimits::default() };
    assert!(unpack(&zip, &dir.path().join("code"), limits).is_err());
}

#[test]
fn noise_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let good = archive(&[File("a", b"hello", 0o644)]);
    for length in 0..good.len() {
        let _ = unpack(&good[..length], &dir.path().join("code"), UnpackLimits::default());
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        let _ = unpack(&bad, &dir.path().join("code2"), UnpackLimits::default());
    }
    assert!(unpack(b"not a zip", &dir.path().join("code3"), UnpackLimits::default()).is_err());
    assert!(!Path::new(&dir.path().join("code3")).exists());
}

/// Two functions of one stack were made with the same code at once, and one of them failed with an
/// error about a directory that was not empty.
#[test]
fn the_same_archive_can_be_unpacked_by_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for n in 0..50 {
        zip.start_file(format!("f{n}"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, b"x").unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    for round in 0..20 {
        let into = folder.path().join(round.to_string());
        std::thread::scope(|scope| {
            let unpackers: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        undercast_sandbox::unpack(
                            &zip,
                            &into,
                            undercast_sandbox::UnpackLimits::default(),
                        )
                    })
                })
                .collect();
            for unpacker in unpackers {
                assert_eq!(unpacker.join().unwrap().unwrap().files, 50);
            }
        });
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 50);
    }
}
