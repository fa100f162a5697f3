//! A whole store as one file: every blob, row and counter of one moment, and back.
//!
//! The file is a sequence of frames: what it is (one byte), the length of its name (4 bytes, little-endian), that of its
//! content (8 bytes), the name, the content. What the caller adds comes first, then blobs, rows, counters, each in the
//! order of their names; the last frame holds the BLAKE3 hash of all that is before it. It says nothing of the engine, so that what
//! one engine saved another restores.

use std::collections::{BTreeMap, HashMap};
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter};

use crate::backend::{Add, Attempt, Changes};
use crate::blobs::{BlobHash, BlobId, LINKS, Source};
use crate::db::{Db, VALUE_BYTES_MAX};
use crate::error::Error;
use crate::key::{KEY_BYTES_MAX, KeyRange};

const TITLE: &[u8] = b"undercast archive 1\n";
const PAGE: usize = 1024;
/// How much is changed at once.
const CHANGES_MAX: usize = 4096;
const CHANGED_BYTES_MAX: usize = 4 << 20;
const PIECE_BYTES: usize = 256 << 10;
const BUFFER_BYTES: usize = 1 << 20;
/// A transaction that began before may hold rows for as long as transactions run.
const HELD_MAX: u32 = 4_000;
const HELD_WAIT: Duration = Duration::from_millis(2);

const END: u8 = 0;
const EXTRA: u8 = 1;
const BLOB: u8 = 2;
const ROW: u8 = 3;
const COUNTER: u8 = 4;

/// What an archive holds, or what was changed to bring it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    pub rows: u64,
    pub counters: u64,
    pub blobs: u64,
}

/// An archive that was read from end to end, and is whole.
#[derive(Debug, Clone)]
pub struct Archive {
    path: PathBuf,
    pub holds: Archived,
    pub extras: Extras,
}

/// What a caller keeps in an archive beside the store.
pub type Extras = BTreeMap<String, Bytes>;

fn failed(error: std::io::Error) -> Error {
    Error::unavailable(format_args!("the archive: {error}"))
}

fn not_ours(what: &str) -> Error {
    Error::Format { reason: format!("the archive {what}") }
}

impl Archive {
    pub async fn open(path: &Path) -> Result<Archive, Error> {
        let mut input = Reader::open(path).await?;
        let (mut holds, mut extras) = (Archived::default(), Extras::new());
        while let Some(head) = input.next().await? {
            match head.kind {
                EXTRA => {
                    let name = String::from_utf8_lossy(&head.name).into_owned();
                    extras.insert(name, input.value(&head).await?);
                    continue;
                }
                BLOB => holds.blobs += 1,
                ROW => holds.rows += 1,
                _ => holds.counters += 1,
            }
            input.skip(&head).await?;
        }
        Ok(Archive { path: path.to_owned(), holds, extras })
    }
}

impl Db {
    /// Writes all that is stored at this moment to a new file, which is on disk under its name when this returns.
    pub async fn save(&self, path: &Path, extras: &Extras) -> Result<Archived, Error> {
        let unfinished = path.with_extension("unfinished");
        let saved = async {
            let archived = self.write_archive(&unfinished, extras).await?;
            tokio::fs::rename(&unfinished, path).await.map_err(failed)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            File::open(folder).await.map_err(failed)?.sync_all().await.map_err(failed)?;
            Ok(archived)
        };
        let saved = saved.await;
        if saved.is_err() {
            let _ = tokio::fs::remove_file(&unfinished).await;
        }
        saved
    }

    async fn write_archive(&self, path: &Path, extras: &Extras) -> Result<Archived, Error> {
        let attempt = self.backend.begin().await?;
        let mut out = Writer::create(path).await?;
        let mut archived = Archived::default();
        for (name, content) in extras {
            out.frame(EXTRA, name.as_bytes(), content).await?;
        }
        for id in self.linked(&*attempt).await? {
            out.head(BLOB, &id.hash.0, id.len).await?;
            let mut content = self.blobs().stream(&id, None).await?;
            while let Some(piece) = content.next().await {
                out.write(&piece?).await?;
            }
            archived.blobs += 1;
        }
        let mut rest = KeyRange::all();
        loop {
            let page = attempt.range(rest.clone(), PAGE, false).await?;
            for (key, value) in &page {
                out.frame(ROW, key, value).await?;
            }
            archived.rows += page.len() as u64;
            match page.last() {
                Some((last, _)) if page.len() == PAGE => rest = rest.after_key(last),
                _ => break,
            }
        }
        let mut start = Bytes::new();
        loop {
            let page = attempt.counters(start, PAGE).await?;
            for (key, sum) in &page {
                out.frame(COUNTER, key, &sum.to_be_bytes()).await?;
            }
            archived.counters += page.len() as u64;
            match page.last() {
                Some((last, _)) if page.len() == PAGE => start = crate::key::successor(last),
                _ => break,
            }
        }
        out.finish().await?;
        Ok(archived)
    }

    /// The blobs that a row needs, in the order of their names.
    async fn linked(&self, attempt: &dyn Attempt) -> Result<Vec<BlobId>, Error> {
        let stored = self.blobs().all().await?;
        let lengths: HashMap<BlobHash, u64> =
            stored.into_iter().map(|id| (id.hash, id.len)).collect();
        let mut found = Vec::new();
        let mut rest = LINKS.all();
        loop {
            let page = attempt.range(rest.clone(), PAGE, false).await?;
            for (key, _) in &page {
                let hash = linked_hash(key)?;
                if found.last().is_some_and(|id: &BlobId| id.hash == hash) {
                    continue;
                }
                let missing = || Error::BlobMissing { hash: hash.to_string() };
                let len = *lengths.get(&hash).ok_or_else(missing)?;
                found.push(BlobId { hash, len });
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => rest = rest.after_key(last),
                _ => return Ok(found),
            }
        }
    }

    /// Exchanges all that is stored for what the archive holds; returns what was different.
    ///
    /// Nobody commits meanwhile, and transactions that began before run again afterwards. A crash in the middle
    /// leaves some of both: whoever calls this sees to it that it is called again.
    pub async fn restore(&self, archive: &Archive) -> Result<Archived, Error> {
        let path = archive.path.as_path();
        let mut input = Reader::open(path).await?;
        let mut changed = Archived::default();
        let mut head = input.next().await?;
        while let Some(extra) = head.take_if(|head| head.kind == EXTRA) {
            input.skip(&extra).await?;
            head = input.next().await?;
        }
        while let Some(blob) = head.take_if(|head| head.kind == BLOB) {
            changed.blobs += u64::from(self.bring_blob(path, &mut input, &blob).await?);
            head = input.next().await?;
        }
        let _shut = self.shut().await;
        if !self.is_shared() {
            // A commit whose caller went away may still be in the queue of the one writer.
            self.backend.begin().await?.commit(Changes::default()).await?;
        }
        let attempt = self.backend.begin().await?;
        let mut batch = Batch::new(self);
        let mut rows = Existing::new(&*attempt);
        let mut old = rows.next().await?;
        while let Some(row) = head.take_if(|head| head.kind == ROW) {
            let value = input.value(&row).await?;
            let mut is_same = false;
            while let Some((key, before)) = old.take_if(|(key, _)| *key <= row.name) {
                match key == row.name {
                    true => is_same = before == value,
                    false => batch.put(key, None).await?,
                }
                old = rows.next().await?;
            }
            if !is_same {
                batch.put(row.name, Some(value)).await?;
            }
            head = input.next().await?;
        }
        while let Some((key, _)) = old {
            batch.put(key, None).await?;
            old = rows.next().await?;
        }
        let mut kept = BTreeMap::new();
        while let Some(counter) = head.take() {
            let sum = input.value(&counter).await?;
            let sum = sum.as_ref().try_into().map_err(|_| not_ours("has a damaged counter"))?;
            kept.insert(counter.name, i64::from_be_bytes(sum));
            head = input.next().await?;
        }
        let mut start = Bytes::new();
        loop {
            let page = attempt.counters(start, PAGE).await?;
            for (key, sum) in &page {
                match kept.remove(key) {
                    Some(same) if same == *sum => {}
                    other => batch.count(key.clone(), other.unwrap_or_default()).await?,
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => start = crate::key::successor(last),
                _ => break,
            }
        }
        for (key, sum) in kept {
            batch.count(key, sum).await?;
        }
        batch.flush().await?;
        Ok(Archived { blobs: changed.blobs, ..batch.changed })
    }

    /// Puts a blob of the archive where blobs lie; whether it was not there before.
    async fn bring_blob(
        &self,
        path: &Path,
        input: &mut Reader,
        head: &Head,
    ) -> Result<bool, Error> {
        let hash = head.name.as_ref().try_into().map_err(|_| not_ours("has a damaged blob"))?;
        let id = BlobId { hash: BlobHash(hash), len: head.len };
        let is_here = self.blobs().touch(&id).await?;
        if !is_here {
            let content = pieces(path.to_owned(), input.at, head.len).await?;
            if self.blobs().put_stream(content).await? != id {
                return Err(Error::BlobDamaged { hash: id.hash.to_string() });
            }
        }
        input.skip(head).await?;
        Ok(!is_here)
    }
}

fn linked_hash(key: &[u8]) -> Result<BlobHash, Error> {
    let no_hash = || Error::corrupt("a link of a blob has no hash");
    let (hash, _) = LINKS.decode_key(key).ok_or_else(no_hash)??;
    Ok(BlobHash(hash.try_into().map_err(|_| no_hash())?))
}

/// A part of a file, in pieces.
async fn pieces(path: PathBuf, at: u64, len: u64) -> Result<Source, Error> {
    let mut file = File::open(path).await.map_err(failed)?;
    file.seek(SeekFrom::Start(at)).await.map_err(failed)?;
    let next = |(mut file, left): (File, u64)| async move {
        if left == 0 {
            return None;
        }
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = vec![0; size];
        match file.read_exact(&mut piece).await {
            Ok(_) => Some((Ok(Bytes::from(piece)), (file, left - size as u64))),
            Err(error) => Some((Err(failed(error)), (file, 0))),
        }
    };
    Ok(futures::stream::unfold((file, len), next).boxed())
}

/// The rows of a store one by one.
struct Existing<'a> {
    attempt: &'a dyn Attempt,
    rest: Option<KeyRange>,
    page: std::vec::IntoIter<(Bytes, Bytes)>,
}

impl<'a> Existing<'a> {
    fn new(attempt: &'a dyn Attempt) -> Existing<'a> {
        Existing { attempt, rest: Some(KeyRange::all()), page: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        loop {
            if let Some(pair) = self.page.next() {
                return Ok(Some(pair));
            }
            let Some(range) = self.rest.take() else {
                return Ok(None);
            };
            let page = self.attempt.range(range.clone(), PAGE, false).await?;
            if let (Some((last, _)), true) = (page.last(), page.len() == PAGE) {
                self.rest = Some(range.after_key(last));
            }
            self.page = page.into_iter();
        }
    }
}

/// Changes that are committed together.
struct Batch<'a> {
    db: &'a Db,
    changes: Changes,
    bytes: usize,
    changed: Archived,
}

impl<'a> Batch<'a> {
    fn new(db: &'a Db) -> Batch<'a> {
        Batch { db, changes: Changes::default(), bytes: 0, changed: Archived::default() }
    }

    async fn put(&mut self, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        self.changed.rows += 1;
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        self.changes.writes.insert(key, value);
        self.flush_if_full().await
    }

    async fn count(&mut self, key: Bytes, sum: i64) -> Result<(), Error> {
        self.changed.counters += 1;
        self.changes.adds.insert(key, Add { reset: true, delta: sum });
        self.flush_if_full().await
    }

    async fn flush_if_full(&mut self) -> Result<(), Error> {
        let changes = self.changes.writes.len() + self.changes.adds.len();
        match changes >= CHANGES_MAX || self.bytes >= CHANGED_BYTES_MAX {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        if changes.is_empty() {
            return Ok(());
        }
        let mut held = 0;
        loop {
            let attempt = self.db.backend.begin().await?;
            match attempt.commit(changes.clone()).await {
                // A row is claimed by a transaction that is about to end.
                Err(Error::Conflict { .. }) if held < HELD_MAX => held += 1,
                result => return result.map(drop),
            }
            self.db.env().clock.sleep(HELD_WAIT).await;
        }
    }
}

struct Head {
    kind: u8,
    name: Bytes,
    len: u64,
}

struct Writer {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl Writer {
    async fn create(path: &Path) -> Result<Writer, Error> {
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Everything is in it.
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(path).await.map_err(failed)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut out = Writer { file, hasher: blake3::Hasher::new() };
        out.write(TITLE).await?;
        Ok(out)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(failed)
    }

    async fn head(&mut self, kind: u8, name: &[u8], len: u64) -> Result<(), Error> {
        let name_len = u32::try_from(name.len()).map_err(|_| not_ours("has too long a name"))?;
        self.write(&[kind]).await?;
        self.write(&name_len.to_le_bytes()).await?;
        self.write(&len.to_le_bytes()).await?;
        self.write(name).await
    }

    async fn frame(&mut self, kind: u8, name: &[u8], content: &[u8]) -> Result<(), Error> {
        self.head(kind, name, content.len() as u64).await?;
        self.write(content).await
    }

    async fn finish(mut self) -> Result<(), Error> {
        let hash = self.hasher.finalize();
        self.frame(END, &[], hash.as_bytes()).await?;
        self.file.flush().await.map_err(failed)?;
        self.file.get_ref().sync_all().await.map_err(failed)
    }
}

struct Reader {
    file: BufReader<File>,
    hasher: blake3::Hasher,
    at: u64,
    before: (u8, Bytes),
    /// The last frame is not a part of its own hash.
    is_at_end: bool,
}

impl Reader {
    async fn open(path: &Path) -> Result<Reader, Error> {
        let file = File::open(path).await.map_err(failed)?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let before = (EXTRA, Bytes::new());
        let mut input =
            Reader { file, hasher: blake3::Hasher::new(), at: 0, before, is_at_end: false };
        let mut title = [0; TITLE.len()];
        match input.read(&mut title).await {
            Ok(()) if title == TITLE => Ok(input),
            _ => Err(not_ours("is not one, or of a newer format")),
        }
    }

    async fn read(&mut self, out: &mut [u8]) -> Result<(), Error> {
        match self.file.read_exact(out).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(not_ours("is cut off"));
            }
            Err(error) => return Err(failed(error)),
        }
        self.at += out.len() as u64;
        if !self.is_at_end {
            self.hasher.update(out);
        }
        Ok(())
    }

    /// The next frame, none at the end. Its content is to be read or skipped.
    async fn next(&mut self) -> Result<Option<Head>, Error> {
        self.is_at_end = self.file.fill_buf().await.map_err(failed)?.first() == Some(&END);
        let mut kind = [0];
        let (mut name_len, mut len) = ([0; 4], [0; 8]);
        self.read(&mut kind).await?;
        self.read(&mut name_len).await?;
        self.read(&mut len).await?;
        let [kind] = kind;
        let (name_len, len) = (u32::from_le_bytes(name_len), u64::from_le_bytes(len));
        let name_len = usize::try_from(name_len).unwrap_or(usize::MAX);
        let is_blob = kind == BLOB;
        if kind > COUNTER || name_len > KEY_BYTES_MAX || (!is_blob && len > VALUE_BYTES_MAX as u64)
        {
            return Err(not_ours("has a damaged frame"));
        }
        let mut name = vec![0; name_len];
        self.read(&mut name).await?;
        let name = Bytes::from(name);
        let head = Head { kind, name, len };
        if kind == END {
            let told = self.value(&head).await?;
            return match told.as_ref() == self.hasher.finalize().as_bytes() {
                true => Ok(None),
                false => Err(not_ours("is damaged")),
            };
        }
        let here = (kind, head.name.clone());
        let is_first = self.before.1.is_empty();
        if here < self.before || (here == self.before && !is_first) {
            return Err(not_ours("is not in order"));
        }
        self.before = here;
        Ok(Some(head))
    }

    async fn value(&mut self, head: &Head) -> Result<Bytes, Error> {
        let mut value = vec![0; usize::try_from(head.len).unwrap_or(usize::MAX)];
        self.read(&mut value).await?;
        Ok(value.into())
    }

    async fn skip(&mut self, head: &Head) -> Result<(), Error> {
        let mut left = head.len;
        let mut piece = vec![0; PIECE_BYTES];
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let part = piece.get_mut(..size).unwrap_or_default();
            self.read(part).await?;
            left -= size as u64;
        }
        Ok(())
    }
}
