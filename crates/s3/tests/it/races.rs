//! What happens at the same time.

use std::sync::Arc;

use serde_json::json;

use crate::fixture::{content, start};

/// A put that was acknowledged is in a bucket that is there, however deletion and put interleave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_not_deleted_under_a_put() {
    let s3 = Arc::new(start().await);
    for round in 0..50 {
        let name = format!("bucket{round}");
        s3.bucket(&name).await;
        let put = tokio::spawn({
            let (s3, name) = (Arc::clone(&s3), name.clone());
            async move {
                let input = json!({"Bucket": name, "Key": "k", "Body": "x"});
                s3.call("PutObject", input).await.is_ok()
            }
        });
        let delete = tokio::spawn({
            let (s3, name) = (Arc::clone(&s3), name.clone());
            async move { s3.call("DeleteBucket", json!({"Bucket": name})).await.is_ok() }
        });
        let (put, deleted) = (put.await.unwrap(), delete.await.unwrap());
        assert!(!(put && deleted), "round {round}");
        let there = s3.call("HeadBucket", json!({"Bucket": name})).await.is_ok();
        assert_eq!(there, !deleted);
        if put {
            assert_eq!(s3.keys(&name).await, ["k"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_put_wins_where_nothing_may_be() {
    let s3 = Arc::new(start().await);
    s3.bucket("bbb").await;
    let puts = (0..8).map(|n| {
        let s3 = Arc::clone(&s3);
        tokio::spawn(async move {
            let input =
                json!({"Bucket": "bbb", "Key": "k", "IfNoneMatch": "*", "Body": n.to_string()});
            s3.call("PutObject", input).await.is_ok()
        })
    });
    let won = futures::future::join_all(puts).await;
    assert_eq!(won.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_one_key_are_all_kept() {
    let s3 = Arc::new(start().await);
    s3.bucket("bbb").await;
    s3.version("bbb", "Enabled").await;
    let puts = (0..20u64).map(|n| {
        let s3 = Arc::clone(&s3);
        tokio::spawn(async move { s3.put("bbb", "k", &content(2_000, n)).await })
    });
    futures::future::join_all(puts).await;
    let listed = s3.call("ListObjectVersions", json!({"Bucket": "bbb"})).await.unwrap();
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_uploaded_at_the_same_time() {
    let s3 = Arc::new(start().await);
    s3.bucket("bbb").await;
    let begun =
        s3.call("CreateMultipartUpload", json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    let id = begun["UploadId"].as_str().unwrap().to_owned();
    let parts = (1..=12u64).map(|n| {
        let (s3, id) = (Arc::clone(&s3), id.clone());
        tokio::spawn(async move {
            let input = json!({"Bucket": "bbb", "Key": "k", "UploadId": id, "PartNumber": n});
            let body = crate::fixture::stream(&content(1_000, n));
            s3.send("UploadPart", input, body).await.unwrap()
        })
    });
    futures::future::join_all(parts).await;
    let listed = json!({"Bucket": "bbb", "Key": "k", "UploadId": id});
    let listed = s3.call("ListParts", listed).await.unwrap();
    assert_eq!(listed["Parts"].as_array().unwrap().len(), 12);
}
