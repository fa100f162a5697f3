//! The tables.

use super::failed;
use super::pool::Pool;
use crate::error::Error;

const FORMAT: i32 = 1;

/// Keys under which advisory locks of different use do not meet.
pub(super) const LOCK_BUCKET: i32 = 0x7563_0001;
pub(super) const LOCK_SHARD: i32 = 0x7563_0002;
pub(super) const LOCK_SCHEMA: i64 = 0x7563_0003;

/// A queue leaves dead rows behind at its head, so they are cleaned up early and often.
const TABLES: &str = "
    create schema if not exists undercast;
    create table if not exists undercast.format (version int not null);
    create table if not exists undercast.rows (key bytea primary key, value bytea not null, version bigint not null)
        with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
              autovacuum_vacuum_cost_delay = 0);
    create table if not exists undercast.counters (
        key bytea not null, shard int not null, value bigint not null, primary key (key, shard))
        with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
    create table if not exists undercast.commits (id bigint primary key);
";

pub(super) async fn prepare(pool: &std::sync::Arc<Pool>) -> Result<(), Error> {
    let conn = pool.take().await?;
    let client = conn.client();
    // Nodes may start together.
    client.batch_execute("begin").await.map_err(failed)?;
    client.execute("select pg_advisory_xact_lock($1)", &[&LOCK_SCHEMA]).await.map_err(failed)?;
    client.batch_execute(TABLES).await.map_err(failed)?;
    let found =
        client.query_opt("select version from undercast.format", &[]).await.map_err(failed)?;
    match found.map(|row| row.get::<_, i32>(0)) {
        None => drop(
            client
                .execute("insert into undercast.format values ($1)", &[&FORMAT])
                .await
                .map_err(failed)?,
        ),
        Some(FORMAT) => {}
        Some(other) => {
            let reason = format!("the database has format {other}, this version knows {FORMAT}");
            return Err(Error::Format { reason });
        }
    }
    client.batch_execute("commit").await.map_err(failed)?;
    conn.keep();
    Ok(())
}

pub(super) async fn clear(pool: &std::sync::Arc<Pool>) -> Result<(), Error> {
    let conn = pool.take().await?;
    let sql = "begin; truncate undercast.rows, undercast.counters; commit";
    conn.client().batch_execute(sql).await.map_err(failed)?;
    conn.keep();
    Ok(())
}
