//! The data folder: its lock, the version of its format, which engine wrote it.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::db::EngineKind;
use crate::error::Error;

const FORMAT: u32 = 1;

/// An open data folder. Dropping it lets go of the lock.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) engine: EngineKind,
    _lock: File,
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable { reason: format!("{}: {error}", path.display()).into() }
}

impl Folder {
    /// Opens the folder, making it if it is not there. `wanted` counts only for a new one.
    pub(crate) fn open(path: &Path, wanted: EngineKind) -> Result<Folder, Error> {
        let io = |error: std::io::Error| failed(path, &error);
        fs::create_dir_all(path).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: path.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let format = path.join("format");
        let engine = match fs::read_to_string(&format) {
            Ok(text) => parse(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_format(path, &format, wanted).map_err(io)?;
                wanted
            }
            Err(error) => return Err(io(error)),
        };
        Ok(Folder { path: path.to_owned(), engine, _lock: lock })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join(self.engine.name())
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }
}

fn write_format(folder: &Path, format: &Path, engine: EngineKind) -> std::io::Result<()> {
    let temporary = folder.join("format.new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "undercast store\nformat {FORMAT}\nengine {}", engine.name())?;
    file.sync_all()?;
    fs::rename(&temporary, format)?;
    File::open(folder)?.sync_all()
}

fn parse(text: &str) -> Result<EngineKind, Error> {
    let mut lines = text.lines();
    let (title, format, engine) = (lines.next(), lines.next(), lines.next());
    let not_ours = || Error::Format { reason: "its file `format` is not ours".to_owned() };
    if title != Some("undercast store") {
        return Err(not_ours());
    }
    let version = format
        .and_then(|line| line.strip_prefix("format "))
        .and_then(|version| version.parse::<u32>().ok());
    match version.ok_or_else(not_ours)? {
        FORMAT => {}
        newer if newer > FORMAT => {
            let reason = format!("it has format {newer}, this version reads up to {FORMAT}");
            return Err(Error::Format { reason });
        }
        older => {
            return Err(Error::Format { reason: format!("format {older} is unknown") });
        }
    }
    let name = engine.and_then(|line| line.strip_prefix("engine ")).ok_or_else(not_ours)?;
    EngineKind::from_name(name)
        .ok_or_else(|| Error::Format { reason: format!("engine {name} is unknown") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_and_keeps_its_engine() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), EngineKind::Redb).unwrap();
        assert!(matches!(Folder::open(dir.path(), EngineKind::Redb), Err(Error::Locked { .. })));
        drop(folder);
        assert_eq!(Folder::open(dir.path(), EngineKind::Fjall).unwrap().engine, EngineKind::Redb);
    }

    #[test]
    fn a_newer_or_foreign_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["undercast store\nformat 2\nengine fjall\n", "something else\n", ""] {
            fs::write(dir.path().join("format"), text).unwrap();
            assert!(
                matches!(Folder::open(dir.path(), EngineKind::Fjall), Err(Error::Format { .. })),
                "{text}"
            );
        }
    }
}
