//! Objects, versions, lists.

use serde_json::{Value, json};

use crate::fixture::{broken_stream, content, context, names, start};

#[tokio::test]
async fn every_operation_of_the_model_is_routed() {
    let s3 = start().await;
    assert_eq!(s3.kernel.service("s3").unwrap().unrouted(), Vec::<&str>::new());
}

#[tokio::test]
async fn content_of_any_size_comes_back() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    for size in [0, 1, 1_024, 1_025, 65_536, 65_537, 262_144, 1_000_003] {
        let bytes = content(size, size as u64);
        s3.put("bbb", "k", &bytes).await;
        let object = json!({"Bucket": "bbb", "Key": "k"});
        assert_eq!(s3.get(object).await.unwrap(), bytes, "{size}");
        if size > 100 {
            let part = json!({"Bucket": "bbb", "Key": "k", "Range": "bytes=10-19"});
            assert_eq!(s3.get(part).await.unwrap(), &bytes[10..20]);
        }
    }
}

#[tokio::test]
async fn a_wrong_body_changes_nothing() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    s3.put("bbb", "k", b"old").await;
    for size in [10, 50_000, 500_000] {
        let input = json!({"Bucket": "bbb", "Key": "k"});
        let error = s3.send("PutObject", input, broken_stream(&content(size, 1))).await;
        assert_eq!(error.unwrap_err().code(), "BadDigest");
    }
    let got = s3.get(json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    assert_eq!(got, b"old");
}

#[tokio::test]
async fn errors_name_what_they_are_about() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let error = s3.call("GetObject", json!({"Bucket": "bbb", "Key": "k"})).await.unwrap_err();
    assert_eq!(error.message(), "The specified key does not exist.");
    assert_eq!(error.fields(), [("Key", Value::from("k"))]);
    let error = s3.call("GetObject", json!({"Bucket": "ccc", "Key": "k"})).await.unwrap_err();
    assert_eq!(error.message(), "The specified bucket does not exist");
    assert_eq!(error.fields(), [("BucketName", Value::from("ccc"))]);
    let long = json!({"Bucket": "bbb", "Key": "k".repeat(1_025), "Body": ""});
    assert_eq!(s3.code("PutObject", long).await, "KeyTooLongError");
    let lock = json!({"Bucket": "bbb", "Key": "k", "Body": "", "ObjectLockMode": "GOVERNANCE"});
    assert_eq!(s3.code("PutObject", lock).await, "InvalidRequest");
    let key = json!({"Bucket": "bbb", "Key": "k", "Body": "", "SSECustomerAlgorithm": "AES256"});
    assert_eq!(s3.code("PutObject", key).await, "NotImplemented");
    let tags = json!({"Bucket": "bbb", "Key": "k", "Body": "", "Tagging": "a=1&a=2"});
    assert_eq!(s3.code("PutObject", tags).await, "InvalidArgument");
    let big =
        json!({"Bucket": "bbb", "Key": "k", "Body": "", "Metadata": {"a": "x".repeat(2_049)}});
    assert_eq!(s3.code("PutObject", big).await, "MetadataTooLarge");
    let class = json!({"Bucket": "bbb", "Key": "k", "Body": "", "StorageClass": "OUTPOSTS"});
    assert_eq!(s3.code("PutObject", class).await, "InvalidStorageClass");
}

#[tokio::test]
async fn names_of_buckets_are_one_space() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let other = context(&s3.kernel, "999999999999", "us-east-1");
    let call = |operation: &'static str, input: Value| {
        let call = s3.kernel.call(&other, "s3", operation, &input);
        async move { call.await.map_err(|error| error.code().to_owned()) }
    };
    let create = call("CreateBucket", json!({"Bucket": "bbb"})).await;
    assert_eq!(create, Err("BucketAlreadyExists".to_owned()));
    let list = call("ListObjectsV2", json!({"Bucket": "bbb"})).await;
    assert_eq!(list, Err("AccessDenied".to_owned()));
    let buckets = call("ListBuckets", json!({})).await.unwrap();
    assert_eq!(buckets["Buckets"], json!([]));
    let far = context(&s3.kernel, crate::fixture::ACCOUNT, "eu-west-1");
    let got = s3.kernel.call(&far, "s3", "HeadBucket", &json!({"Bucket": "bbb"})).await;
    assert_eq!(got.unwrap()["BucketRegion"], "us-east-1");
}

#[tokio::test]
async fn versions_come_and_go_in_order() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    s3.put("bbb", "k", b"null").await;
    s3.version("bbb", "Enabled").await;
    let mut ids = vec!["null".to_owned()];
    for n in 0..3 {
        let put = s3.put("bbb", "k", &content(100_000, n)).await;
        ids.push(put["VersionId"].as_str().unwrap().to_owned());
    }
    let listed = s3.call("ListObjectVersions", json!({"Bucket": "bbb"})).await.unwrap();
    let newest_first: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(names(&listed, "Versions", "VersionId"), newest_first);
    // One from the middle, then from the top down: each time the next older one is the latest.
    for gone in [1, 3, 2] {
        let id = &ids[gone];
        let input = json!({"Bucket": "bbb", "Key": "k", "VersionId": id});
        s3.call("DeleteObject", input.clone()).await.unwrap();
        assert_eq!(s3.code("GetObject", input).await, "NoSuchVersion");
    }
    let got = s3.get(json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    assert_eq!(got, b"null");
}

#[tokio::test]
async fn lists_jump_over_what_is_rolled_up() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    for dir in 0..4 {
        for n in 0..150 {
            s3.put("bbb", &format!("d{dir}/{n:03}"), b"").await;
        }
    }
    s3.put("bbb", "z", b"").await;
    let mut found = Vec::new();
    let mut token = Value::Null;
    loop {
        let input = json!({
            "Bucket": "bbb", "Delimiter": "/", "MaxKeys": 1, "ContinuationToken": token,
        });
        let page = s3.call("ListObjectsV2", input).await.unwrap();
        found.extend(names(&page, "CommonPrefixes", "Prefix"));
        found.extend(names(&page, "Contents", "Key"));
        assert_eq!(page["KeyCount"], 1);
        if page["IsTruncated"] == false {
            break;
        }
        token = page["NextContinuationToken"].clone();
    }
    assert_eq!(found, ["d0/", "d1/", "d2/", "d3/", "z"]);
    let all = s3.call("ListObjectsV2", json!({"Bucket": "bbb", "Prefix": "d1/"})).await.unwrap();
    assert_eq!(all["KeyCount"], 150);
    let none = s3.call("ListObjectsV2", json!({"Bucket": "bbb", "MaxKeys": 0})).await.unwrap();
    assert_eq!((&none["KeyCount"], &none["IsTruncated"]), (&json!(0), &json!(false)));
}

#[tokio::test]
async fn deleted_keys_of_versioned_buckets_are_not_listed() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    s3.version("bbb", "Enabled").await;
    for key in ["a", "b", "c"] {
        s3.put("bbb", key, b"x").await;
    }
    s3.call("DeleteObject", json!({"Bucket": "bbb", "Key": "b"})).await.unwrap();
    assert_eq!(s3.keys("bbb").await, ["a", "c"]);
    let delete = json!({"Bucket": "bbb"});
    assert_eq!(s3.code("DeleteBucket", delete).await, "BucketNotEmpty");
}
