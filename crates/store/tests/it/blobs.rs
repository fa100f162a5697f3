//! Blobs, in memory and as files.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tempfile::TempDir;
use undercast_store::{BlobId, Blobs, Collected, Db, Durability, Env, Error, Options};

async fn both(dir: &TempDir) -> [(Blobs, Db); 2] {
    let env = Env::system();
    let db = || Db::open(Options::memory(), env.clone());
    let files = Blobs::files(dir.path().join("blobs"), Durability::Fsync).unwrap();
    [(Blobs::memory(&env), db().await.unwrap()), (files, db().await.unwrap())]
}

#[tokio::test]
async fn blobs_come_back_whole_and_in_parts() {
    let dir = TempDir::new().unwrap();
    for (blobs, _) in both(&dir).await {
        for length in [0, 1, 70_000, 1_000_000] {
            let content: Bytes = (0..length).map(|n| (n % 251) as u8).collect();
            let id = blobs.put(content.clone()).await.unwrap();
            assert_eq!(id, BlobId::of(&content));
            assert_eq!(blobs.put(content.clone()).await.unwrap(), id);
            assert_eq!(blobs.get(&id).await.unwrap(), content);
            let pieces = content
                .chunks(10_000)
                .map(Bytes::copy_from_slice)
                .map(Ok::<_, Error>)
                .collect::<Vec<_>>();
            assert_eq!(blobs.put_stream(futures::stream::iter(pieces)).await.unwrap(), id);
            let part = blobs.stream(&id, Some(5..60_000)).await.unwrap();
            let part: Vec<u8> = part.map(|piece| piece.unwrap().to_vec()).concat().await;
            let end = 60_000.min(length) as usize;
            assert_eq!(part, &content[5.min(end)..end]);
            if let Some(path) = blobs.path(&id) {
                assert_eq!(std::fs::read(path).unwrap(), content);
            }
        }
        let missing = BlobId::of(b"never put");
        assert!(matches!(blobs.get(&missing).await, Err(Error::BlobMissing { .. })));
    }
}

#[tokio::test]
async fn a_failed_stream_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    for (blobs, _) in both(&dir).await {
        let pieces = [Ok(Bytes::from_static(b"half")), Err("the client went away")];
        assert!(blobs.put_stream(futures::stream::iter(pieces)).await.is_err());
        assert!(blobs.get(&BlobId::of(b"half")).await.is_err());
    }
    assert_eq!(std::fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_nothing_links_is_collected_when_it_is_old() {
    let dir = TempDir::new().unwrap();
    for (blobs, db) in both(&dir).await {
        let kept = blobs.put("kept").await.unwrap();
        let loose = blobs.put("loose").await.unwrap();
        let young = blobs.put("young").await.unwrap();
        db.transact(|tx| async move {
            tx.link_blob(&kept, b"one")?;
            tx.link_blob(&kept, b"two")
        })
        .await
        .unwrap();
        assert_eq!(
            blobs.collect(&db, Duration::from_secs(60)).await.unwrap(),
            Collected::default()
        );
        tokio::time::sleep(Duration::from_millis(60)).await;
        // Putting it again makes it young.
        blobs.put("young").await.unwrap();
        let collected = blobs.collect(&db, Duration::from_millis(50)).await.unwrap();
        assert_eq!(collected, Collected { blobs: 1, bytes: 5 });
        assert!(blobs.get(&loose).await.is_err());
        assert_eq!(blobs.get(&young).await.unwrap(), "young");
        for owner in ["one", "two"] {
            assert_eq!(blobs.get(&kept).await.unwrap(), "kept");
            db.transact(|tx| async move { tx.unlink_blob(&kept, owner.as_bytes()) }).await.unwrap();
        }
        blobs.collect(&db, Duration::ZERO).await.unwrap();
        assert!(blobs.get(&kept).await.is_err());
    }
}

#[tokio::test]
async fn a_damaged_blob_is_noticed() {
    let dir = TempDir::new().unwrap();
    let [_, (files, _)] = both(&dir).await;
    let id = files.put("precious").await.unwrap();
    std::fs::write(files.path(&id).unwrap(), "PRECIOUS").unwrap();
    assert!(matches!(files.get(&id).await, Err(Error::BlobDamaged { .. })));
    std::fs::write(files.path(&id).unwrap(), "prec").unwrap();
    assert!(files.get(&id).await.is_err());
}
