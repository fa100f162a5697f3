//! Telling other nodes what changed, and hearing it from them. Hints only.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use tokio::sync::{Notify, mpsc, watch};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::failed;
use super::pool::Pool;
use crate::error::{Error, lock};
use crate::watch::Watches;

/// The one poll beside the notifications: how late a node is when a hint was lost.
const POLL: Duration = Duration::from_secs(5);
/// Keys are cut to this; who watches something longer looks in vain now and then.
const TOLD_BYTES: usize = 48;
const PAYLOAD_BYTES_MAX: usize = 7_900;
const ALL: &str = "*";

#[derive(Clone)]
pub(super) struct Notifier {
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    keys: Mutex<BTreeSet<Bytes>>,
    some: Notify,
}

impl Notifier {
    pub(super) fn start(
        pool: &Arc<Pool>,
        watches: Arc<Watches>,
        stopped: watch::Receiver<bool>,
    ) -> Notifier {
        let notifier = Notifier { waiting: Arc::default() };
        let node = pool.env().ids.hex(8);
        let (env, pool) = (pool.env().clone(), pool.clone());
        env.spawn("store hints", exchange(notifier.waiting.clone(), pool, watches, node, stopped));
        notifier
    }

    pub(super) fn tell<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) {
        let mut waiting = lock(&self.waiting.keys);
        waiting.extend(keys.map(|key| key.slice(..key.len().min(TOLD_BYTES))));
        if !waiting.is_empty() {
            self.waiting.some.notify_one();
        }
    }

    pub(super) fn tell_all(&self) {
        lock(&self.waiting.keys).insert(Bytes::new());
        self.waiting.some.notify_one();
    }
}

/// Speaks and listens until stopped, on a connection of its own that is replaced when it breaks.
async fn exchange(
    waiting: Arc<Waiting>,
    pool: Arc<Pool>,
    watches: Arc<Watches>,
    node: String,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let session = converse(&waiting, &pool, &watches, &node);
        futures::pin_mut!(session);
        let stop = stopped.wait_for(|stopped| *stopped);
        futures::pin_mut!(stop);
        match select(stop, session).await {
            Either::Left(_) => return,
            Either::Right((Ok(()), _)) => {}
            Either::Right((Err(error), _)) => {
                tracing::debug!(%error, "hints between nodes are interrupted")
            }
        }
        pool.env().clock.sleep(pool.env().jitter(Duration::from_secs(2))).await;
        // Whatever was told meanwhile was missed.
        watches.mark_all();
    }
}

async fn converse(
    waiting: &Waiting,
    pool: &Pool,
    watches: &Arc<Watches>,
    node: &str,
) -> Result<(), Error> {
    let unavailable = |error: tokio_postgres::Error| Error::unavailable(error);
    let (client, mut connection) = pool.config().connect(NoTls).await.map_err(unavailable)?;
    let (heard, mut hints) = mpsc::unbounded_channel();
    pool.env().spawn("database connection", async move {
        loop {
            let message = std::future::poll_fn(|context| connection.poll_message(context)).await;
            match message {
                Some(Ok(AsyncMessage::Notification(hint))) => {
                    drop(heard.send(hint.payload().to_owned()))
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    });
    client.batch_execute("listen undercast").await.map_err(failed)?;
    let listen = async {
        while let Some(hint) = hints.recv().await {
            hear(&hint, node, watches);
        }
        Err::<(), _>(Error::unavailable("the connection ended"))
    };
    futures::try_join!(listen, speak(waiting, &client, node), poll(pool, &client, watches))?;
    Ok(())
}

fn hear(hint: &str, node: &str, watches: &Watches) {
    let Some((from, keys)) = hint.split_once(' ') else {
        return;
    };
    if from == node {
        return;
    }
    if keys == ALL {
        return watches.mark_all();
    }
    for key in keys.split(',').filter_map(|key| hex::decode(key).ok()) {
        watches.mark_under(&key.into());
    }
}

async fn speak(waiting: &Waiting, client: &Client, node: &str) -> Result<(), Error> {
    loop {
        waiting.some.notified().await;
        let keys = std::mem::take(&mut *lock(&waiting.keys));
        let told: Vec<String> = keys.iter().map(hex::encode).collect();
        let told = told.join(",");
        let is_short = told.len() <= PAYLOAD_BYTES_MAX && !keys.contains(&Bytes::new());
        let payload = format!("{node} {}", if is_short { &told } else { ALL });
        client.execute("select pg_notify('undercast', $1)", &[&payload]).await.map_err(failed)?;
    }
}

/// Wakes all watches if any transaction of the database ended since the last look.
async fn poll(pool: &Pool, client: &Client, watches: &Watches) -> Result<(), Error> {
    let mut last = None;
    loop {
        let row =
            client.query_one("select pg_current_snapshot()::text", &[]).await.map_err(failed)?;
        let now: String = row.try_get(0).map_err(failed)?;
        if last.replace(now.clone()).is_some_and(|last| last != now) {
            watches.mark_all();
        }
        pool.env().clock.sleep(POLL).await;
    }
}
