//! Layers laid over one another by copying, where no overlay file system can be mounted.

use std::fs;
use std::io;
use std::path::Path;

/// Copies the tree `from` over `to`: directories are merged, files replaced, links kept as links.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !target.is_dir() {
                remove(&target)?;
                fs::create_dir(&target)?;
            }
            copy(&entry.path(), &target)?;
            continue;
        }
        remove(&target)?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_layer_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (file, text) in [("a/x/one", "1"), ("a/two", "1"), ("b/x/three", "2"), ("b/two", "2")] {
            fs::create_dir_all(path(file).parent().unwrap()).unwrap();
            fs::write(path(file), text).unwrap();
        }
        fs::create_dir(path("out")).unwrap();
        copy(&path("a"), &path("out")).unwrap();
        copy(&path("b"), &path("out")).unwrap();
        assert_eq!(fs::read_to_string(path("out/two")).unwrap(), "2");
        assert_eq!(fs::read_to_string(path("a/two")).unwrap(), "1");
        assert!(path("out/x/one").exists() && path("out/x/three").exists());
    }
}
