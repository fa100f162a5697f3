//! Uploads in parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::fixture::{S3, content, start, stream};

const PART: usize = 5 << 20;

async fn begin(s3: &S3, more: Value) -> String {
    let mut input = json!({"Bucket": "bbb", "Key": "k"});
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let begun = s3.call("CreateMultipartUpload", input).await.unwrap();
    begun["UploadId"].as_str().unwrap().to_owned()
}

async fn part(s3: &S3, id: &str, number: i32, bytes: &[u8]) -> Value {
    let input = json!({"Bucket": "bbb", "Key": "k", "UploadId": id, "PartNumber": number});
    let output = s3.send("UploadPart", input, stream(bytes)).await.unwrap();
    json!({"PartNumber": number, "ETag": output["ETag"], "output": output})
}

async fn complete(s3: &S3, id: &str, parts: &[Value]) -> Result<Value, String> {
    let input = json!({
        "Bucket": "bbb", "Key": "k", "UploadId": id, "MultipartUpload": {"Parts": parts},
    });
    let done = s3.call("CompleteMultipartUpload", input).await;
    done.map_err(|error| error.code().to_owned())
}

#[tokio::test]
async fn the_whole_has_the_checksum_of_its_content() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let pieces = [content(PART, 1), content(PART + 7, 2), content(100, 3)];
    let whole = pieces.concat();
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME"] {
        let asked = json!({"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"});
        let id = begin(&s3, asked).await;
        let mut parts = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            parts.push(part(&s3, &id, at as i32 + 1, piece).await);
        }
        let done = complete(&s3, &id, &parts).await.unwrap();
        let input = json!({"Bucket": "bbb", "Key": "single", "ChecksumAlgorithm": algorithm});
        let single = s3.send("PutObject", input, stream(&whole)).await.unwrap();
        let name = format!("Checksum{algorithm}");
        assert_eq!(done[&name], single[&name], "{algorithm}");
        assert_eq!(done["ChecksumType"], "FULL_OBJECT");
    }
    let got = s3.get(json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    assert!(got == whole);
    let across = json!({"Bucket": "bbb", "Key": "k", "Range": format!("bytes={}-{}", PART - 3, 2 * PART + 8)});
    assert!(s3.get(across).await.unwrap() == whole[PART - 3..2 * PART + 9]);
}

#[tokio::test]
async fn a_composite_checksum_is_one_of_checksums() {
    use sha2::{Digest, Sha256};
    let s3 = start().await;
    s3.bucket("bbb").await;
    let id = begin(&s3, json!({"ChecksumAlgorithm": "SHA256"})).await;
    let pieces = [content(PART, 1), content(5, 2)];
    let mut parts = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let mut named = part(&s3, &id, at as i32 + 1, piece).await;
        named["ChecksumSHA256"] = named["output"]["ChecksumSHA256"].clone();
        parts.push(named);
    }
    let done = complete(&s3, &id, &parts).await.unwrap();
    let digests: Vec<u8> = pieces.iter().flat_map(Sha256::digest).collect();
    let expected = format!("{}-2", BASE64.encode(Sha256::digest(digests)));
    assert_eq!(done["ChecksumSHA256"], expected);
}

#[tokio::test]
async fn parts_may_be_left_out_and_replaced() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let id = begin(&s3, json!({})).await;
    let one = part(&s3, &id, 1, &content(PART, 1)).await;
    part(&s3, &id, 2, b"left out").await;
    let old = part(&s3, &id, 7, b"old").await;
    let new = part(&s3, &id, 7, b"new").await;
    assert_eq!(complete(&s3, &id, &[one.clone(), old]).await, Err("InvalidPart".into()));
    assert_eq!(
        complete(&s3, &id, &[new.clone(), one.clone()]).await,
        Err("InvalidPartOrder".into())
    );
    complete(&s3, &id, &[one.clone(), new.clone()]).await.unwrap();
    let got = s3.get(json!({"Bucket": "bbb", "Key": "k"})).await.unwrap();
    assert!(got == [content(PART, 1), b"new".to_vec()].concat());
    // Asked again, because the answer was lost.
    let again = complete(&s3, &id, &[one.clone(), new.clone()]).await.unwrap();
    assert!(again["ETag"].as_str().unwrap().ends_with("-2\""));
    s3.put("bbb", "k", b"something else").await;
    assert_eq!(complete(&s3, &id, &[one, new]).await, Err("NoSuchUpload".into()));
}

#[tokio::test]
async fn kinds_of_checksums_fit_their_algorithms() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    for (algorithm, kind) in [("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")] {
        let input = json!({
            "Bucket": "bbb", "Key": "k", "ChecksumAlgorithm": algorithm, "ChecksumType": kind,
        });
        let error = s3.call("CreateMultipartUpload", input).await.unwrap_err();
        let expected = format!(
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.to_lowercase()
        );
        assert_eq!(error.message(), expected);
    }
}
