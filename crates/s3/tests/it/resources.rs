//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use undercast_kernel::ResourceRequest;

use crate::fixture::{S3, start};

fn request(properties: Value) -> ResourceRequest {
    ResourceRequest {
        stack_id: "arn:aws:cloudformation:us-east-1:123456789012:stack/Shop/1".into(),
        stack_name: "Shop".into(),
        logical_id: "Files".into(),
        generation: 0,
        suffix: "abcdefghijkl".into(),
        physical_id: String::new(),
        properties,
        old: Value::Null,
        tags: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
        attempt: 1,
        metadata: Default::default(),
        update_policy: Default::default(),
        operation: "operation".to_owned(),
        is_rollback: false,
    }
}

async fn create(s3: &S3, request: ResourceRequest) -> Result<String, String> {
    let bucket = s3.kernel.resource_type("AWS::S3::Bucket").unwrap();
    let made = bucket.create(s3.ctx.clone(), request).await;
    made.map(|r| r.physical_id).map_err(|error| error.code().to_owned())
}

#[tokio::test]
async fn a_bucket_is_made_once_however_often_it_is_tried() {
    let s3 = start().await;
    let wanted = request(json!({"VersioningConfiguration": {"Status": "Enabled"}}));
    let name = create(&s3, wanted.clone()).await.unwrap();
    assert_eq!(name, "shop-files-abcdefghijkl");
    assert_eq!(create(&s3, wanted.clone()).await, Err("AlreadyExists".into()));
    let again = ResourceRequest { attempt: 2, ..wanted.clone() };
    assert_eq!(create(&s3, again).await.unwrap(), name);
    let stranger = ResourceRequest { attempt: 2, stack_id: "another".into(), ..wanted };
    assert_eq!(create(&s3, stranger).await, Err("AlreadyExists".into()));
    let tags = s3.call("GetBucketTagging", json!({"Bucket": name})).await.unwrap();
    assert!(tags["TagSet"].as_array().unwrap().contains(&json!({"Key": "team", "Value": "blue"})));
}

#[tokio::test]
async fn properties_are_set_changed_and_taken_back() {
    let s3 = start().await;
    let bucket = s3.kernel.resource_type("AWS::S3::Bucket").unwrap();
    let properties = json!({
        "BucketName": "my-files",
        "CorsConfiguration": {"CorsRules": [
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": "60"},
        ]},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}},
        ]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        "AccessControl": "PublicRead",
    });
    let mut wanted = request(properties.clone());
    let made = bucket.create(s3.ctx.clone(), wanted.clone()).await.unwrap();
    assert_eq!(made.attributes["Arn"], "arn:aws:s3:::my-files");
    assert_eq!(made.attributes["WebsiteURL"], "http://my-files.s3-website-us-east-1.amazonaws.com");
    let cors = s3.call("GetBucketCors", json!({"Bucket": "my-files"})).await.unwrap();
    assert_eq!(cors["CORSRules"][0]["MaxAgeSeconds"], 60);
    let acl = s3.call("GetBucketAcl", json!({"Bucket": "my-files"})).await.unwrap();
    assert_eq!(acl["Grants"].as_array().unwrap().len(), 2);

    wanted.physical_id = "my-files".into();
    wanted.old = properties;
    wanted.properties = json!({"BucketName": "my-files"});
    bucket.update(s3.ctx.clone(), wanted.clone()).await.unwrap();
    assert_eq!(
        s3.code("GetBucketCors", json!({"Bucket": "my-files"})).await,
        "NoSuchCORSConfiguration"
    );
    let acl = s3.call("GetBucketAcl", json!({"Bucket": "my-files"})).await.unwrap();
    assert_eq!(acl["Grants"].as_array().unwrap().len(), 1);

    s3.put("my-files", "k", b"x").await;
    let kept = bucket.delete(s3.ctx.clone(), wanted.clone()).await.unwrap_err();
    assert_eq!(kept.code(), "BucketNotEmpty");
    s3.call("DeleteObject", json!({"Bucket": "my-files", "Key": "k"})).await.unwrap();
    bucket.delete(s3.ctx.clone(), wanted.clone()).await.unwrap();
    bucket.delete(s3.ctx.clone(), wanted).await.unwrap();
}

#[tokio::test]
async fn a_policy_belongs_to_its_bucket() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let policy = s3.kernel.resource_type("AWS::S3::BucketPolicy").unwrap();
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"});
    let mut wanted = request(json!({
        "Bucket": "bbb", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }));
    let made = policy.create(s3.ctx.clone(), wanted.clone()).await.unwrap();
    assert_eq!(made.physical_id, "bbb");
    s3.call("GetBucketPolicy", json!({"Bucket": "bbb"})).await.unwrap();
    wanted.physical_id = "bbb".into();
    policy.delete(s3.ctx.clone(), wanted.clone()).await.unwrap();
    assert_eq!(s3.code("GetBucketPolicy", json!({"Bucket": "bbb"})).await, "NoSuchBucketPolicy");
    s3.call("DeleteBucket", json!({"Bucket": "bbb"})).await.unwrap();
    policy.delete(s3.ctx.clone(), wanted).await.unwrap();
}
