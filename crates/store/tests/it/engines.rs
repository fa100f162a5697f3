//! The engines under the suite.

use crate::suite::{suite, with_cases};
use tempfile::TempDir;
use undercast_store::{Db, EngineKind, Env, Error, KeyRange, Options};

/// An opened store, with what must outlive it.
pub struct Opened {
    pub db: Db,
    _dir: Option<TempDir>,
}

async fn open_dir(engine: EngineKind) -> Opened {
    let dir = TempDir::new().unwrap();
    let options = Options { engine, ..Options::dir(dir.path()) };
    Opened { db: Db::open(options, Env::system()).await.unwrap(), _dir: Some(dir) }
}

mod memory {
    use super::*;

    async fn open() -> Opened {
        Opened { db: Db::open(Options::memory(), Env::system()).await.unwrap(), _dir: None }
    }

    with_cases!(suite, open());
}

mod fjall {
    use super::*;

    with_cases!(suite, open_dir(EngineKind::Fjall));
}

mod redb {
    use super::*;

    with_cases!(suite, open_dir(EngineKind::Redb));
}

#[tokio::test]
async fn a_store_comes_back_as_it_was() {
    for engine in [EngineKind::Fjall, EngineKind::Redb] {
        let dir = TempDir::new().unwrap();
        let options = Options { engine, ..Options::dir(dir.path()) };
        for round in 0..3i64 {
            let db = Db::open(options.clone(), Env::system()).await.unwrap();
            let tx = db.begin().await.unwrap();
            assert_eq!(tx.range(KeyRange::all(), 10, false).await.unwrap().len() as i64, round);
            assert_eq!(tx.sum(b"rounds").await.unwrap(), round);
            tx.put(format!("round {round}"), "x").unwrap();
            tx.add("rounds", 1).unwrap();
            tx.commit().await.unwrap();
            let second = Db::open(options.clone(), Env::system()).await;
            assert!(matches!(second, Err(Error::Locked { .. })), "a second process is kept out");
            db.close().await;
            assert!(matches!(db.begin().await.unwrap().get(b"x").await, Err(Error::Closed { .. })));
        }
    }
}

#[tokio::test]
async fn dropping_all_handles_frees_the_folder() {
    let dir = TempDir::new().unwrap();
    for _ in 0..2 {
        let mut opened = Db::open(Options::dir(dir.path()), Env::system()).await;
        for _ in 0..500 {
            if !matches!(opened, Err(Error::Locked { .. })) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            opened = Db::open(Options::dir(dir.path()), Env::system()).await;
        }
        drop(opened.unwrap());
    }
}
