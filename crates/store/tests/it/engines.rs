//! The engines under the suite.

use undercast_store::{Db, Env, Options};

/// An opened store, with what must outlive it.
pub struct Opened {
    pub db: Db,
}

mod memory {
    use super::*;

    async fn open() -> Option<Opened> {
        Some(Opened { db: Db::open(Options::memory(), Env::system()).await.unwrap() })
    }

    crate::suite::suite!(open());
}
