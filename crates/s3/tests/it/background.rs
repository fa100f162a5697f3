//! What happens by itself.

use std::time::Duration;

use serde_json::json;
use undercast_store::Db;

use crate::fixture::{S3, content, start, stream};

const DAY: Duration = Duration::from_secs(86_400);

/// Waits until a condition holds, which background work brings about.
async fn until<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened that {what}");
}

/// How many blobs nobody links.
async fn unlinked(db: &Db) -> u64 {
    db.blobs().collect(db, Duration::ZERO).await.unwrap().blobs
}

async fn delete(s3: &S3, key: &str) {
    s3.call("DeleteObject", json!({"Bucket": "bbb", "Key": key})).await.unwrap();
}

#[tokio::test]
async fn blobs_are_linked_as_long_as_somebody_needs_them() {
    let s3 = start().await;
    let db = s3.kernel.db().clone();
    s3.bucket("bbb").await;
    let bytes = content(200_000, 1);
    s3.put("bbb", "a", &bytes).await;
    s3.call("CopyObject", json!({"Bucket": "bbb", "Key": "b", "CopySource": "bbb/a"}))
        .await
        .unwrap();
    assert_eq!(unlinked(&db).await, 0);
    delete(&s3, "a").await;
    assert_eq!(unlinked(&db).await, 0);
    assert!(s3.get(json!({"Bucket": "bbb", "Key": "b"})).await.unwrap() == bytes);
    s3.put("bbb", "b", b"small").await;
    assert_eq!(unlinked(&db).await, 1);
}

#[tokio::test]
async fn parts_of_deleted_objects_and_given_up_uploads_go() {
    let s3 = start().await;
    let db = s3.kernel.db().clone();
    s3.bucket("bbb").await;
    for completes in [true, false] {
        let input = json!({"Bucket": "bbb", "Key": "k"});
        let begun = s3.call("CreateMultipartUpload", input).await.unwrap();
        let id = begun["UploadId"].clone();
        let input = json!({"Bucket": "bbb", "Key": "k", "UploadId": id, "PartNumber": 1});
        let part = s3.send("UploadPart", input, stream(&content(1_000, 5))).await.unwrap();
        assert_eq!(unlinked(&db).await, 0);
        if completes {
            let input = json!({
                "Bucket": "bbb", "Key": "k", "UploadId": id,
                "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
            });
            s3.call("CompleteMultipartUpload", input).await.unwrap();
            assert_eq!(unlinked(&db).await, 0);
            delete(&s3, "k").await;
        } else {
            let input = json!({"Bucket": "bbb", "Key": "k", "UploadId": id});
            s3.call("AbortMultipartUpload", input).await.unwrap();
        }
        until("the part is let go", || async { unlinked(&db).await == 1 }).await;
    }
}

#[tokio::test]
async fn objects_expire_by_the_rules_of_their_bucket() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    for key in ["tmp/a", "keep/a"] {
        s3.put("bbb", key, b"x").await;
    }
    let rules = json!([
        {"ID": "tmp", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 2}},
        {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
    ]);
    let input = json!({"Bucket": "bbb", "LifecycleConfiguration": {"Rules": rules}});
    s3.call("PutBucketLifecycleConfiguration", input).await.unwrap();
    let clock = s3.kernel.env().clock.clone();
    clock.advance(DAY);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(s3.keys("bbb").await.len(), 2);
    clock.advance(2 * DAY);
    until("the object has expired", || async { s3.keys("bbb").await == ["keep/a"] }).await;
}

#[tokio::test]
async fn older_versions_expire_and_lonely_markers_go() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    s3.version("bbb", "Enabled").await;
    s3.put("bbb", "k", b"1").await;
    s3.put("bbb", "k", b"2").await;
    s3.put("bbb", "gone", b"1").await;
    delete(&s3, "gone").await;
    let rules = json!([{
        "ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "Expiration": {"ExpiredObjectDeleteMarker": true},
    }]);
    let input = json!({"Bucket": "bbb", "LifecycleConfiguration": {"Rules": rules}});
    s3.call("PutBucketLifecycleConfiguration", input).await.unwrap();
    s3.kernel.env().clock.advance(3 * DAY);
    until("only the latest version is left", || async {
        let page = s3.call("ListObjectVersions", json!({"Bucket": "bbb"})).await.unwrap();
        page["Versions"].as_array().map(Vec::len) == Some(1) && page.get("DeleteMarkers").is_none()
    })
    .await;
    assert_eq!(s3.get(json!({"Bucket": "bbb", "Key": "k"})).await.unwrap(), b"2");
}

#[tokio::test]
async fn uploads_that_nobody_completes_are_given_up_by_rule() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    s3.call("CreateMultipartUpload", json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    let rules = json!([{
        "ID": "u", "Status": "Enabled", "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }]);
    let input = json!({"Bucket": "bbb", "LifecycleConfiguration": {"Rules": rules}});
    s3.call("PutBucketLifecycleConfiguration", input).await.unwrap();
    s3.kernel.env().clock.advance(3 * DAY);
    until("the upload is given up", || async {
        let page = s3.call("ListMultipartUploads", json!({"Bucket": "bbb"})).await.unwrap();
        page.get("Uploads").is_none()
    })
    .await;
}
