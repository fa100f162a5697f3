//! Custom domains: which hosts are ours, and which API a path under one of them leads to.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures::lock::Mutex;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::Db;

use crate::limits::{MAPPINGS_MAX, ROWS_MAX};
use crate::store::{HOSTS, MAPPINGS, MappingRow};

/// The hosts, for telling requests apart without asking the store. What they lead to is read there.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    hosts: RwLock<HashSet<String>>,
    /// One reader after the other, so that the last one to write has seen everything.
    turn: Mutex<()>,
    follows: AtomicBool,
}

/// The name itself, and the wildcard that it falls under.
fn names(host: &str) -> [String; 2] {
    let host = host.to_ascii_lowercase();
    let above = host.split_once('.').map_or("", |(_, above)| above);
    let wildcard = format!("*.{above}");
    [host, wildcard]
}

impl Domains {
    pub(crate) fn knows(&self, host: &str) -> bool {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        !hosts.is_empty() && names(host).iter().any(|name| hosts.contains(name))
    }

    /// Reads the hosts anew.
    pub(crate) async fn reload(&self, kernel: &Kernel) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let rows = HOSTS.list(kernel.db(), HOSTS.all(), ROWS_MAX, false).await?;
        let new = rows.into_iter().map(|(name, _)| name).collect();
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Reads the hosts, and follows what other nodes change.
    pub(crate) async fn start(self: &Arc<Self>, kernel: &Kernel) -> Result<(), ServiceError> {
        self.reload(kernel).await?;
        if self.follows.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mut changes = HOSTS.watch(kernel.db(), &());
        let (domains, own) = (Arc::clone(self), kernel.clone());
        kernel.env().spawn("apigateway.domains", async move {
            loop {
                changes.changed().await;
                if let Err(error) = domains.reload(&own).await {
                    tracing::warn!(target: "undercast::apigateway", "domains are not read: {error}");
                }
            }
        });
        Ok(())
    }
}

/// The mapping that a path under the host takes, and the rest of the path: the longest key wins.
pub(crate) async fn find(
    db: &Db,
    host: &str,
    path: &str,
) -> Result<Option<(MappingRow, String)>, ServiceError> {
    for name in names(host) {
        if HOSTS.read(db, &name).await?.is_none() {
            continue;
        }
        let rows = MAPPINGS.list(db, MAPPINGS.prefix(&(name,)), MAPPINGS_MAX, false).await?;
        let fitting = rows.into_iter().filter_map(|(_, row)| {
            let rest = rest(path, &row.key)?.to_owned();
            Some((row, rest))
        });
        return Ok(fitting.max_by_key(|(row, _)| row.key.len()));
    }
    Ok(None)
}

/// What stands behind the key, which ends where a segment ends.
fn rest<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    if key.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix('/')?.strip_prefix(key)?;
    match rest {
        "" => Some("/"),
        _ => rest.starts_with('/').then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_where_segments_end() {
        assert_eq!(rest("/a/b/c", "a/b"), Some("/c"));
        assert_eq!(rest("/a/b", "a/b"), Some("/"));
        assert_eq!(rest("/a/bc", "a/b"), None);
        assert_eq!(rest("/x", ""), Some("/x"));
        assert_eq!(names("API.Example.com"), ["api.example.com", "*.example.com"]);
    }
}
