//! The whole cloud as one file, and back: snapshots under a name, exports and imports; and the time that was moved by
//! hand.
//!
//! An exchange of everything that is stored is many transactions. So the archive is first linked under a name of its
//! own in the data folder; who finds it there at the start brings it in again before anything else happens.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use undercast_kernel::{Kernel, Mode, ServiceError, Vault};
use undercast_smithy::{Body, BodyError, Content, Timestamp};
use undercast_store::{Archive, Archived, Db, Extras};

use crate::authority::write_secret;
use crate::terminal::note;

const FOLDER: &str = "snapshots";
const ENDING: &str = "undercast";
const RESTORING: &str = "restoring.undercast";
const KEYS: &str = "secrets-key";
const ROOT_KEY: &str = "root-key";
const KEY_ID: &str = "aws_access_key_id";
const KEY_SECRET: &str = "aws_secret_access_key";
const OFFSET: &str = "clock-offset-ms";
/// In an archive: when it was made, by the clock of its cloud.
const TIME: &str = "time-ms";
const KEY_BYTES: usize = 32;
const NAME_BYTES_MAX: usize = 64;
const PIECE_BYTES: usize = 256 << 10;
/// A hundred years.
const ADVANCE_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Keeps and brings back the state of the cloud in this data folder.
pub(crate) struct Keeper {
    data: PathBuf,
    kernel: Kernel,
    one_at_a_time: tokio::sync::Mutex<()>,
}

fn failed(what: &str, error: &std::io::Error) -> ServiceError {
    ServiceError::internal(format!("{what}: {error}"))
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

impl Keeper {
    pub(crate) fn new(data: PathBuf, kernel: Kernel) -> Self {
        Self { data, kernel, one_at_a_time: tokio::sync::Mutex::default() }
    }

    /// What there must be before the first call, after a start and after everything was exchanged.
    pub(crate) async fn start(&self) -> Result<(), ServiceError> {
        for service in self.kernel.services() {
            if let Some(start) = &service.start {
                start(self.kernel.clone()).await?;
            }
        }
        match self.kernel.settings().mode {
            Mode::Open => Ok(()),
            Mode::Secure => self.keep_root_key().await,
        }
    }

    /// The key of the account itself is in the data folder, and stays what it is.
    async fn keep_root_key(&self) -> Result<(), ServiceError> {
        let path = self.data.join(ROOT_KEY);
        let unkept = |error: std::io::Error| failed(ROOT_KEY, &error);
        let made = match std::fs::read_to_string(&path) {
            Ok(text) => Some(parse_root_key(&text).ok_or_else(|| {
                ServiceError::internal(format!("{} is not as it was written", path.display()))
            })?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(unkept(error)),
        };
        let is_new = made.is_none();
        let account = &self.kernel.settings().account;
        let (id, secret) = undercast_iam::root_key(&self.kernel, account, made).await?;
        if is_new {
            let text = format!("[default]\n{KEY_ID} = {id}\n{KEY_SECRET} = {secret}\n");
            write_secret(&path, &text).map_err(unkept)?;
            note(&format!("A root key is in {}", path.display()));
        }
        Ok(())
    }

    fn db(&self) -> &Db {
        self.kernel.db()
    }

    fn path(&self, name: &str) -> Result<PathBuf, ServiceError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match name.bytes().all(is_plain)
            && !name.starts_with('.')
            && (1..=NAME_BYTES_MAX).contains(&name.len())
        {
            true => Ok(self.data.join(FOLDER).join(format!("{name}.{ENDING}"))),
            false => Err(invalid(format!(
                "A snapshot has a name of up to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.', not {name:?}"
            ))),
        }
    }

    async fn folder(&self) -> Result<PathBuf, ServiceError> {
        let folder = self.data.join(FOLDER);
        let made = fs::create_dir_all(&folder).await;
        made.map_err(|error| failed("the folder of the snapshots", &error))?;
        Ok(folder)
    }

    /// Keeps everything under a name; what had that name is replaced.
    pub(crate) async fn snapshot(&self, name: &str) -> Result<Value, ServiceError> {
        let path = self.path(name)?;
        // Nobody reads what is replaced.
        let _alone = self.one_at_a_time.lock().await;
        self.folder().await?;
        self.save(&path).await?;
        self.describe(&path).await
    }

    async fn save(&self, path: &Path) -> Result<Archived, ServiceError> {
        let keys = match fs::read(self.data.join(KEYS)).await {
            Ok(keys) => keys,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(KEYS, &error)),
        };
        let time = self.kernel.env().clock.now_ms().to_string();
        let extras = Extras::from([
            (KEYS.to_owned(), Bytes::from(keys)),
            (TIME.to_owned(), Bytes::from(time)),
        ]);
        Ok(self.db().save(path, &extras).await?)
    }

    async fn describe(&self, path: &Path) -> Result<Value, ServiceError> {
        let metadata = fs::metadata(path).await.map_err(|error| failed("the snapshot", &error))?;
        let modified = metadata.modified().ok().and_then(|time| {
            let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        });
        Ok(json!({
            "name": path.file_stem().map(|name| name.to_string_lossy()),
            "bytes": metadata.len(),
            "made": modified.map(|ms| Timestamp::from_millis(ms).iso8601_millis()),
        }))
    }

    pub(crate) async fn list(&self) -> Result<Value, ServiceError> {
        let mut found = Vec::new();
        let unread = |error: std::io::Error| failed("the folder of the snapshots", &error);
        let mut entries = fs::read_dir(self.folder().await?).await.map_err(unread)?;
        while let Some(entry) = entries.next_entry().await.map_err(unread)? {
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if path.extension().is_some_and(|ending| ending == ENDING) && !is_hidden {
                found.push(self.describe(&path).await?);
            }
        }
        found.sort_by_key(|snapshot| {
            snapshot.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
        });
        Ok(Value::Array(found))
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<Value, ServiceError> {
        let path = self.path(name)?;
        let _alone = self.one_at_a_time.lock().await;
        match fs::remove_file(path).await {
            Ok(()) => Ok(json!({"deleted": name})),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(unknown(name)),
            Err(error) => Err(failed("the snapshot", &error)),
        }
    }

    /// Nothing is left but the snapshots.
    pub(crate) async fn reset(&self) -> Result<Value, ServiceError> {
        let _alone = self.one_at_a_time.lock().await;
        self.db().clear().await?;
        self.start().await?;
        Ok(json!({"status": "reset"}))
    }

    /// Everything becomes what it was when the snapshot was made.
    pub(crate) async fn restore(&self, name: &str) -> Result<Value, ServiceError> {
        let path = self.path(name)?;
        if !fs::try_exists(&path).await.unwrap_or_default() {
            return Err(unknown(name));
        }
        self.bring(&path).await
    }

    /// Everything, as a file to be kept elsewhere.
    pub(crate) async fn export(&self) -> Result<Body, ServiceError> {
        let path = self.unnamed("export").await?;
        self.save(&path).await?;
        let opened = async {
            let file = fs::File::open(&path).await?;
            let length = file.metadata().await?.len();
            // Open, it stays readable; and nothing is left behind, whatever happens.
            fs::remove_file(&path).await?;
            Ok((file, length))
        };
        let (file, length) = opened.await.map_err(|error| failed("the export", &error))?;
        let stream = pieces(file).map_err(|error| BodyError::Broken(error.to_string()));
        Ok(Body::from_stream(stream.boxed(), Some(length)))
    }

    /// Everything becomes what the file holds.
    pub(crate) async fn import(&self, body: &Body) -> Result<Value, ServiceError> {
        let path = self.unnamed("import").await?;
        let result = async {
            take_in(body, &path).await?;
            self.bring(&path).await
        };
        let result = result.await;
        let _ = fs::remove_file(&path).await;
        result
    }

    async fn unnamed(&self, what: &str) -> Result<PathBuf, ServiceError> {
        let name = format!(".{what}-{}.{ENDING}", self.kernel.env().ids.hex(16));
        Ok(self.folder().await?.join(name))
    }

    async fn bring(&self, path: &Path) -> Result<Value, ServiceError> {
        let _alone = self.one_at_a_time.lock().await;
        let archive = Archive::open(path).await.map_err(refused)?;
        let keys = archive.extras.get(KEYS).map_or(&[][..], |keys| keys);
        add_keys(&self.data, &self.kernel.settings().vault, keys)?;
        self.catch_up(&archive.extras)?;
        let marked = self.data.join(RESTORING);
        let mark = async {
            match fs::remove_file(&marked).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => fs::hard_link(path, &marked).await?,
            }
            fs::File::open(&self.data).await?.sync_all().await
        };
        mark.await.map_err(|error| failed("the restore cannot begin", &error))?;
        let changed = self.exchange(&archive).await?;
        self.start().await?;
        Ok(json!({
            "rows": changed.rows, "counters": changed.counters, "blobs": changed.blobs,
        }))
    }

    /// Ends a restore that a crash interrupted. Nothing happens where none did.
    pub(crate) async fn finish(&self) -> Result<(), ServiceError> {
        let marked = self.data.join(RESTORING);
        if !fs::try_exists(&marked).await.unwrap_or_default() {
            return Ok(());
        }
        self.exchange(&Archive::open(&marked).await?).await.map(drop)
    }

    /// Restores, and takes the mark away.
    async fn exchange(&self, archive: &Archive) -> Result<Archived, ServiceError> {
        let changed = self.db().restore(archive).await?;
        let unmark = async {
            fs::remove_file(self.data.join(RESTORING)).await?;
            fs::File::open(&self.data).await?.sync_all().await
        };
        unmark.await.map_err(|error| failed("the end of the restore", &error))?;
        Ok(changed)
    }

    /// Forgets a restore that did not end: what it was for is gone.
    pub(crate) fn forget(data: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(data.join(RESTORING)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Time never runs backwards for what is stored.
    fn catch_up(&self, extras: &Extras) -> Result<(), ServiceError> {
        let made = extras.get(TIME).and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
        let behind = made.unwrap_or(0) - self.kernel.env().clock.now_ms();
        match u64::try_from(behind) {
            Ok(behind) if behind > 0 => self.advance(Duration::from_millis(behind)).map(drop),
            _ => Ok(()),
        }
    }

    /// Moves the clock of the cloud forward, for good.
    pub(crate) fn advance(&self, by: Duration) -> Result<Value, ServiceError> {
        if by > ADVANCE_MAX {
            return Err(invalid("The clock can be moved by up to a hundred years"));
        }
        let moved = offset(&self.data).map_err(|error| failed(OFFSET, &error))?.saturating_add(by);
        if moved > ADVANCE_MAX {
            return Err(invalid("The clock can be moved by up to a hundred years in all"));
        }
        let kept = write_secret(&self.data.join(OFFSET), moved.as_millis().to_string());
        kept.map_err(|error| failed(OFFSET, &error))?;
        self.kernel.env().clock.advance(by);
        self.time()
    }

    pub(crate) fn time(&self) -> Result<Value, ServiceError> {
        let moved = offset(&self.data).map_err(|error| failed(OFFSET, &error))?;
        let now = Timestamp::from_millis(self.kernel.env().clock.now_ms());
        let moved = u64::try_from(moved.as_millis()).unwrap_or(u64::MAX);
        Ok(json!({"time": now.iso8601_millis(), "moved_ms": moved}))
    }
}

fn parse_root_key(text: &str) -> Option<(String, String)> {
    let part = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    Some((part(KEY_ID)?, part(KEY_SECRET)?))
}

fn unknown(name: &str) -> ServiceError {
    ServiceError::new("SnapshotNotFound", format!("There is no snapshot {name}")).with_status(404)
}

fn refused(error: undercast_store::Error) -> ServiceError {
    match error {
        undercast_store::Error::Format { reason } => invalid(reason),
        error => error.into(),
    }
}

/// What a file holds, piece by piece.
pub(crate) fn pieces(file: fs::File) -> impl Stream<Item = std::io::Result<Bytes>> {
    futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
}

async fn take_in(body: &Body, path: &Path) -> Result<(), ServiceError> {
    let broken = |error: std::io::Error| failed("the import", &error);
    let mut file = fs::File::create(path).await.map_err(broken)?;
    match body.take() {
        Content::Bytes(bytes) => file.write_all(&bytes).await.map_err(broken)?,
        Content::Stream { mut stream, .. } => {
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| invalid(error.to_string()))?;
                file.write_all(&piece).await.map_err(broken)?;
            }
        }
        Content::Events(_) => return Err(invalid("an archive is bytes")),
    }
    file.flush().await.map_err(broken)?;
    file.sync_all().await.map_err(broken)
}

/// How far the clock of this data folder was moved.
pub(crate) fn offset(data: &Path) -> std::io::Result<Duration> {
    let text = match std::fs::read_to_string(data.join(OFFSET)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Duration::ZERO),
        Err(error) => return Err(error),
    };
    let ms = text.trim().parse().map_err(|_| std::io::Error::other("it is no number"))?;
    Ok(Duration::from_millis(ms))
}

/// What secrets are sealed with: the first key of the file, made if there is none. Lost, and no access key that was
/// issued before works any more.
pub(crate) fn vault(data: &Path, ids: &dyn undercast_kernel::Ids) -> Result<Vault, String> {
    let path = data.join(KEYS);
    let failed = |error: String| format!("{}: {error}", path.display());
    let kept = match std::fs::read(&path) {
        Ok(kept) => kept,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; KEY_BYTES];
            ids.fill(&mut key);
            write_secret(&path, key).map_err(|e| failed(e.to_string()))?;
            key.to_vec()
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let (keys, rest) = kept.as_chunks::<KEY_BYTES>();
    if keys.is_empty() || !rest.is_empty() {
        return Err(failed(format!("it does not hold keys of {KEY_BYTES} bytes")));
    }
    let vault = Vault::default();
    keys.iter().for_each(|key| vault.add(key));
    Ok(vault)
}

/// Keeps the keys of another cloud beside our own.
fn add_keys(data: &Path, vault: &Vault, keys: &[u8]) -> Result<(), ServiceError> {
    let path = data.join(KEYS);
    let kept = std::fs::read(&path).map_err(|error| failed(KEYS, &error))?;
    let (own, (others, _)) = (kept.as_chunks::<KEY_BYTES>().0, keys.as_chunks::<KEY_BYTES>());
    let new: Vec<&[u8; KEY_BYTES]> = others.iter().filter(|key| !own.contains(key)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let all: Vec<u8> = own.iter().chain(new.iter().copied()).flatten().copied().collect();
    write_secret(&path, all).map_err(|error| failed(KEYS, &error))?;
    new.into_iter().for_each(|key| vault.add(key));
    Ok(())
}
