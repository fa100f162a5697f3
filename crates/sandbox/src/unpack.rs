//! Code archives: a zip from a stranger becomes a directory, or nothing does.
//!
//! Nothing is written outside the target, no link leads out of it, and what an archive claims is checked against
//! what it holds. The directory appears whole (a temporary directory beside it, then a rename) and once (an archive
//! that is already there is not unpacked again).

use std::collections::HashSet;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::ZipArchive;
use zip::read::ZipFile;

/// Bounds on an archive.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// Sum of all files, unpacked.
    pub bytes_max: u64,
    pub entries_max: usize,
    /// Directories in one path.
    pub depth_max: usize,
    pub name_bytes_max: usize,
}

impl Default for UnpackLimits {
    /// What Lambda allows.
    fn default() -> Self {
        Self { bytes_max: 262_144_000, entries_max: 100_000, depth_max: 64, name_bytes_max: 1024 }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackReport {
    /// BLAKE3 of the archive, in hex.
    pub hash: String,
    pub bytes: u64,
    pub files: usize,
    /// The directory held this archive already.
    pub reused: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("could not unzip uploaded file: {0}")]
    Invalid(String),
    #[error("unzipped size must be smaller than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("the archive has more than {entries_max} entries")]
    TooManyEntries { entries_max: usize },
    /// An entry points outside the archive.
    #[error("the entry {name:?} is not allowed: {reason}")]
    Escape { name: String, reason: &'static str },
    #[error("unpacking failed: {0}")]
    Io(#[from] io::Error),
}

/// Where a finished directory says what it holds: beside it, since the code itself must stay as it was packed.
fn mark(into: &Path) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(".unpacked");
    into.with_file_name(name)
}

/// Held while a finished directory is put in place.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Unpacks `zip` into the directory `into`, which must not exist or hold an archive unpacked by this function.
///
/// # Errors
/// Nothing is left behind: `into` is whole or unchanged.
pub fn unpack(zip: &[u8], into: &Path, limits: UnpackLimits) -> Result<UnpackReport, UnpackError> {
    let hash = blake3::hash(zip).to_hex().to_string();
    if let Some(report) = already(into, &hash) {
        return Ok(report);
    }
    let parent = into.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    fs::create_dir_all(parent)?;
    let temporary = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
    let target = temporary.path().join("code");
    fs::create_dir(&target)?;
    set_mode(&target, 0o755)?;
    let (bytes, files) = extract(zip, &target, limits)?;
    // Two functions with the same code may come at once: one of them puts it in place.
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if into.exists() {
        // Another revision, or the same one finished by somebody else meanwhile.
        if let Some(report) = already(into, &hash) {
            return Ok(report);
        }
        fs::rename(into, temporary.path().join("old"))?;
    }
    fs::write(temporary.path().join("mark"), format!("{hash} {bytes} {files}"))?;
    fs::rename(&target, into)?;
    fs::rename(temporary.path().join("mark"), mark(into))?;
    Ok(UnpackReport { hash, bytes, files, reused: false })
}

fn already(into: &Path, hash: &str) -> Option<UnpackReport> {
    let text = fs::read_to_string(mark(into)).ok().filter(|_| into.is_dir())?;
    let mut parts = text.split(' ');
    let same = parts.next()? == hash;
    let (bytes, files) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    same.then(|| UnpackReport { hash: hash.to_owned(), bytes, files, reused: true })
}

fn invalid(error: impl std::fmt::Display) -> UnpackError {
    UnpackError::Invalid(error.to_string())
}

/// Links are made last, so that no entry can be written through one.
struct Link {
    name: String,
    path: PathBuf,
    target: PathBuf,
}

fn extract(zip: &[u8], target: &Path, limits: UnpackLimits) -> Result<(u64, usize), UnpackError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(invalid)?;
    if archive.len() > limits.entries_max {
        return Err(UnpackError::TooManyEntries { entries_max: limits.entries_max });
    }
    let (mut bytes, mut files) = (0_u64, 0_usize);
    let mut links: Vec<Link> = Vec::new();
    let mut directories: HashSet<PathBuf> = HashSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(invalid)?;
        let name = entry.name().map_err(invalid)?.into_owned();
        let Some(relative) = safe_path(&name, limits)? else {
            continue;
        };
        let path = target.join(&relative);
        if entry.is_dir() {
            make_directories(&path, &mut directories)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            make_directories(parent, &mut directories)?;
        }
        files += 1;
        if entry.is_symlink() {
            let target = link_target(&mut entry, &name, &relative)?;
            links.push(Link { name, path, target });
            continue;
        }
        bytes += write_file(&mut entry, &path, limits.bytes_max - bytes, limits.bytes_max)?;
    }
    for link in &links {
        if link.path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Err(UnpackError::Escape {
                name: link.name.clone(),
                reason: "a link in place of a directory",
            });
        }
        let _ = fs::remove_file(&link.path);
        std::os::unix::fs::symlink(&link.target, &link.path)?;
    }
    check_links(&links, target)?;
    Ok((bytes, files))
}

fn make_directories(path: &Path, known: &mut HashSet<PathBuf>) -> Result<(), UnpackError> {
    if known.contains(path) {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    set_mode(path, 0o755)?;
    known.insert(path.to_path_buf());
    Ok(())
}

/// The bytes are counted as they come: the archive's own claim is not believed.
fn write_file<R: Read>(
    entry: &mut ZipFile<'_, R>,
    path: &Path,
    left: u64,
    bytes_max: u64,
) -> Result<u64, UnpackError> {
    if entry.size() > left {
        return Err(UnpackError::TooLarge { bytes_max });
    }
    let mode = entry.unix_mode().map_or(0o644, |mode| mode & 0o777);
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Err(invalid("a file in place of a directory"));
    }
    // Named twice: the last one counts.
    let _ = fs::remove_file(path);
    let mut file = fs::File::create_new(path)?;
    let written = io::copy(&mut entry.take(left.saturating_add(1)), &mut file).map_err(
        |error| match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => invalid(error),
            _ => UnpackError::Io(error),
        },
    )?;
    if written > left {
        return Err(UnpackError::TooLarge { bytes_max });
    }
    set_mode(path, mode)?;
    Ok(written)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The path inside the target; `None` for an entry that names the target itself.
fn safe_path(name: &str, limits: UnpackLimits) -> Result<Option<PathBuf>, UnpackError> {
    let escape =
        |reason| Err(UnpackError::Escape { name: name.chars().take(200).collect(), reason });
    if name.len() > limits.name_bytes_max {
        return escape("the name is too long");
    }
    if name.contains('\0') {
        return escape("a zero byte in the name");
    }
    let mut path = PathBuf::new();
    // Archives made on Windows separate by backslashes.
    for part in name.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return escape("a path that climbs out"),
            part if part.len() > 255 => return escape("the name is too long"),
            part => path.push(part),
        }
    }
    if name.starts_with('/') || name.starts_with('\\') {
        return escape("an absolute path");
    }
    if path.components().count() > limits.depth_max {
        return escape("too many directories");
    }
    Ok((path.components().next().is_some()).then_some(path))
}

fn link_target<R: Read>(
    entry: &mut ZipFile<'_, R>,
    name: &str,
    relative: &Path,
) -> Result<PathBuf, UnpackError> {
    let escape = |reason| UnpackError::Escape { name: name.to_owned(), reason };
    let mut text = String::new();
    entry.take(4097).read_to_string(&mut text).map_err(invalid)?;
    if text.is_empty() || text.len() > 4096 || text.contains('\0') {
        return Err(escape("a link without a sensible target"));
    }
    let target = PathBuf::from(text);
    // Places that only exist inside an instance are fine: they are read there, not here.
    let climbs = target.components().any(|part| part == Component::ParentDir);
    let known = ["/var/task", "/opt", "/tmp"].iter().any(|dir| target.starts_with(dir));
    if known && !climbs {
        return Ok(target);
    }
    let mut depth = relative.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Err(escape("a link that leads out")),
            },
            Component::RootDir | Component::Prefix(_) => {
                return Err(escape("a link that leads out"));
            }
        }
    }
    Ok(target)
}

/// A link through another link may lead elsewhere than its text says: whatever resolves must resolve inside.
fn check_links(links: &[Link], target: &Path) -> Result<(), UnpackError> {
    let inside = fs::canonicalize(target)?;
    for link in links {
        if link.target.is_absolute() {
            continue;
        }
        if let Ok(real) = fs::canonicalize(&link.path) {
            let known = ["/var/task", "/opt", "/tmp"].iter().any(|dir| real.starts_with(dir));
            if !real.starts_with(&inside) && !known {
                return Err(UnpackError::Escape {
                    name: link.name.clone(),
                    reason: "a link that leads out",
                });
            }
        }
    }
    Ok(())
}
