//! Blobs as files: `ab/cdef…` under one folder, written under a temporary name, synced, renamed, the folder synced.
//!
//! Age is the time since the file was last modified, measured against a file written now: so it is the clock
//! of the file system alone, which nobody moves by hand.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::io::AsyncWriteExt;

use super::{BlobHash, BlobId, BlobStore, Source};
use crate::error::{Error, lock};

const PIECE_BYTES: usize = 256 << 10;

pub(super) struct FileBlobs {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    is_durable: bool,
    next_temporary: std::sync::atomic::AtomicU64,
    /// One lock per first byte of the hash: a rename or touch never overlaps with a removal.
    shards: Vec<Mutex<()>>,
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::unavailable(format_args!("{what}: {error}"))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

impl FileBlobs {
    pub(super) fn open(dir: PathBuf, is_durable: bool) -> Result<FileBlobs, Error> {
        let shared = Shared {
            dir,
            is_durable,
            next_temporary: 0.into(),
            shards: (0..256).map(|_| Mutex::new(())).collect(),
        };
        // What a crash left half-written is nobody's.
        let temporary = shared.dir.join("tmp");
        let prepare = || {
            if temporary.exists() {
                fs::remove_dir_all(&temporary)?;
            }
            fs::create_dir_all(&temporary)?;
            sync_dir(&shared.dir)
        };
        prepare().map_err(|error| failed("the folder of the blobs cannot be used", &error))?;
        Ok(FileBlobs { shared: Arc::new(shared) })
    }

    async fn blocking<T, F>(&self, what: &'static str, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Shared) -> io::Result<T> + Send + 'static,
    {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.map_err(Error::unavailable)?.map_err(|error| failed(what, &error))
    }
}

impl Shared {
    fn path(&self, id: BlobId) -> PathBuf {
        let digits = id.hash.to_string();
        let (head, tail) = digits.split_at(2);
        self.dir.join(head).join(tail)
    }

    fn temporary(&self) -> PathBuf {
        let n = self.next_temporary.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.dir.join("tmp").join(n.to_string())
    }

    fn shard(&self, id: BlobId) -> Option<std::sync::MutexGuard<'_, ()>> {
        self.shards.get(usize::from(id.hash.0[0])).map(lock)
    }

    /// Gives a finished temporary file its name.
    fn install(&self, temporary: &Path, id: BlobId) -> io::Result<()> {
        let path = self.path(id);
        let _alone = self.shard(id);
        let parent = path.parent().unwrap_or(&self.dir);
        let is_new = !parent.exists();
        fs::create_dir_all(parent)?;
        fs::rename(temporary, &path)?;
        if self.is_durable {
            sync_dir(parent)?;
            if is_new {
                sync_dir(&self.dir)?;
            }
        }
        Ok(())
    }

    /// The time by the clock that stamps the files.
    fn now(&self) -> io::Result<SystemTime> {
        let path = self.temporary();
        let modified = fs::File::create(&path)?.metadata()?.modified();
        fs::remove_file(&path)?;
        modified
    }

    fn touch(&self, id: BlobId) -> io::Result<bool> {
        let _alone = self.shard(id);
        let file = match fs::File::options().append(true).open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != id.len {
            return Ok(false);
        }
        file.set_modified(self.now()?)?;
        Ok(true)
    }

    fn older_than(&self, age: Duration) -> io::Result<Vec<BlobId>> {
        let now = self.now()?;
        let mut found = Vec::new();
        for folder in fs::read_dir(&self.dir)? {
            let folder = folder?;
            let head = folder.file_name();
            if head.len() != 2 {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let digits =
                    format!("{}{}", head.to_string_lossy(), file.file_name().to_string_lossy());
                let mut hash = [0; 32];
                let metadata = file.metadata()?;
                if hex::decode_to_slice(&digits, &mut hash).is_ok() && is_old(&metadata, now, age) {
                    found.push(BlobId { hash: BlobHash(hash), len: metadata.len() });
                }
            }
        }
        Ok(found)
    }

    fn remove(&self, id: BlobId, age: Duration) -> io::Result<bool> {
        let now = self.now()?;
        let path = self.path(id);
        let _alone = self.shard(id);
        match fs::metadata(&path) {
            Ok(metadata) if is_old(&metadata, now, age) => fs::remove_file(&path).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn clear(&self) -> io::Result<()> {
        for folder in fs::read_dir(&self.dir)? {
            let folder = folder?;
            if folder.file_name().len() == 2 {
                fs::remove_dir_all(folder.path())?;
            }
        }
        sync_dir(&self.dir)
    }
}

fn is_old(metadata: &fs::Metadata, now: SystemTime, age: Duration) -> bool {
    metadata
        .modified()
        .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|old| old >= age))
}

/// Removes a temporary file that did not get its name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn write(path: &Path, content: &mut Source, is_durable: bool) -> Result<BlobId, Error> {
    let full = |error: io::Error| failed("a blob cannot be written", &error);
    let mut file = tokio::fs::File::create(path).await.map_err(full)?;
    let mut hasher = blake3::Hasher::new();
    let mut len = 0;
    while let Some(piece) = content.next().await {
        let piece = piece?;
        hasher.update(&piece);
        len += piece.len() as u64;
        file.write_all(&piece).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    if is_durable {
        file.sync_all().await.map_err(full)?;
    }
    Ok(BlobId { hash: BlobHash(hasher.finalize().into()), len })
}

fn read_piece(file: &mut fs::File, left: u64) -> io::Result<Bytes> {
    let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
    let mut piece = vec![0; size];
    file.read_exact(&mut piece)?;
    Ok(piece.into())
}

impl BlobStore for FileBlobs {
    fn put(&self, mut content: Source) -> BoxFuture<'_, Result<BlobId, Error>> {
        Box::pin(async move {
            let temporary = Temporary(self.shared.temporary());
            let id = write(&temporary.0, &mut content, self.shared.is_durable).await?;
            self.blocking("a blob cannot be kept", move |shared| shared.install(&temporary.0, id))
                .await?;
            Ok(id)
        })
    }

    fn stream(&self, id: BlobId, range: Range<u64>) -> BoxFuture<'_, Result<Source, Error>> {
        Box::pin(async move {
            let open = move |shared: &Shared| match fs::File::open(shared.path(id)) {
                Ok(mut file) => file.seek(SeekFrom::Start(range.start)).map(|_| Some(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
            let Some(file) = self.blocking("a blob cannot be opened", open).await? else {
                return Err(Error::BlobMissing { hash: id.hash.to_string() });
            };
            let next = |(mut file, left): (fs::File, u64)| async move {
                if left == 0 {
                    return None;
                }
                let read = tokio::task::spawn_blocking(move || {
                    let piece = read_piece(&mut file, left);
                    (file, piece)
                });
                Some(match read.await {
                    Ok((file, Ok(piece))) => {
                        let left = left - piece.len() as u64;
                        (Ok(piece), (file, left))
                    }
                    Ok((file, Err(error))) => {
                        (Err(failed("a blob cannot be read", &error)), (file, 0))
                    }
                    Err(_) => return None,
                })
            };
            Ok(futures::stream::unfold((file, range.end - range.start), next).boxed())
        })
    }

    fn touch(&self, id: BlobId) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.blocking("a blob cannot be touched", move |shared| shared.touch(id)))
    }

    fn older_than(&self, age: Duration) -> BoxFuture<'_, Result<Vec<BlobId>, Error>> {
        Box::pin(self.blocking("the blobs cannot be listed", move |shared| shared.older_than(age)))
    }

    fn remove(&self, id: BlobId, age: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.blocking("a blob cannot be removed", move |shared| shared.remove(id, age)))
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.blocking("the blobs cannot be removed", Shared::clear))
    }

    fn path(&self, id: BlobId) -> Option<PathBuf> {
        Some(self.shared.path(id))
    }
}
