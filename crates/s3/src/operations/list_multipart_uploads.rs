//! `ListMultipartUploads`: the uploads of a bucket that are neither complete nor given up.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::list_parts::initiator;
use super::{Encoding, list_size, owner};
use crate::S3;
use crate::api::s3::operations::ListMultipartUploads;
use crate::api::s3::shapes::{
    ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload,
};
use crate::engine::bucket::{access, load, on_bucket};
use crate::engine::checksum;
use crate::store::{UPLOADS, UploadRow};

const PAGE: usize = 500;

impl Handler<ListMultipartUploads> for S3 {
    fn authorize(&self, _: &Context, input: &ListMultipartUploadsInput) -> Vec<Access> {
        access("ListBucketMultipartUploads", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListMultipartUploadsInput,
    ) -> Result<ListMultipartUploadsOutput, ServiceError> {
        let encoding = Encoding::new(input.encoding_type.as_ref())?;
        let (max_uploads, max) = list_size("max-uploads", input.max_uploads)?;
        let tx = ctx.store().begin().await?;
        let expected = input.expected_bucket_owner.as_ref();
        let wanted = on_bucket("ListBucketMultipartUploads");
        let bucket = load(&tx, &ctx, &input.bucket, expected, wanted).await?;
        let (entries, truncated) = page(&tx, bucket.number, &input, max).await?;
        let mut output = ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            key_marker: Some(encoding.write(&input.key_marker.unwrap_or_default())),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            prefix: input.prefix.map(|prefix| encoding.write(&prefix)),
            delimiter: input.delimiter.map(|delimiter| encoding.write(&delimiter)),
            max_uploads: Some(max_uploads),
            is_truncated: Some(truncated),
            encoding_type: encoding.name(),
            ..ListMultipartUploadsOutput::default()
        };
        match entries.last() {
            Some(Entry::Upload(id, row)) => {
                output.next_key_marker = Some(encoding.write(&row.key));
                output.next_upload_id_marker = Some(id.clone());
            }
            Some(Entry::Prefix(prefix)) => output.next_key_marker = Some(encoding.write(prefix)),
            None => {}
        }
        for entry in entries {
            match entry {
                Entry::Upload(id, row) => {
                    let upload = upload(id, *row, encoding, &bucket.account);
                    output.uploads.get_or_insert_default().push(upload);
                }
                Entry::Prefix(prefix) => {
                    let prefix = encoding.prefix(&prefix);
                    output.common_prefixes.get_or_insert_default().push(prefix);
                }
            }
        }
        Ok(output)
    }
}

enum Entry {
    Upload(String, Box<UploadRow>),
    Prefix(String),
}

async fn page(
    tx: &Tx,
    bucket: u64,
    input: &ListMultipartUploadsInput,
    max: usize,
) -> Result<(Vec<Entry>, bool), ServiceError> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|d| !d.is_empty());
    let marker = input.key_marker.as_deref().unwrap_or_default();
    let mut range = UPLOADS.starting_with(&(bucket,), prefix);
    match input.upload_id_marker.as_deref().filter(|id| !id.is_empty()) {
        Some(id) if !marker.is_empty() => {
            range = range.after_key(&UPLOADS.key(&(bucket, marker, id)));
        }
        _ if !marker.is_empty() => {
            // After all uploads of that key.
            let of_key = UPLOADS.prefix(&(bucket, marker));
            range = of_key.end.map_or(range.clone(), |end| range.from_key(end));
        }
        _ => {}
    }
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let rows = UPLOADS.scan(tx, range.clone(), PAGE, false).await?;
        let full = rows.len() == PAGE;
        if let Some((key, _)) = rows.last() {
            range = range.after_key(&UPLOADS.key(key));
        }
        for ((_, _, id), row) in rows {
            let common = common_prefix(&row.key, prefix, delimiter);
            let entry = match common {
                None => Entry::Upload(id, Box::new(row)),
                Some(common) if common.as_str() <= marker => continue,
                Some(common) => match entries.last() {
                    Some(Entry::Prefix(last)) if *last == common => continue,
                    _ => Entry::Prefix(common),
                },
            };
            if entries.len() == max {
                return Ok((entries, max > 0));
            }
            entries.push(entry);
        }
        if !full {
            return Ok((entries, false));
        }
    }
}

fn common_prefix(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let rest = key.get(prefix.len()..)?;
    let delimiter = delimiter?;
    let at = rest.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len()).map(str::to_owned)
}

fn upload(id: String, row: UploadRow, encoding: Encoding, account: &str) -> MultipartUpload {
    MultipartUpload {
        upload_id: Some(id),
        key: Some(encoding.write(&row.key)),
        initiated: Some(Timestamp::from_millis(row.initiated_ms)),
        storage_class: Some(row.storage_class.unwrap_or_else(|| "STANDARD".to_owned())),
        owner: Some(owner(account)),
        initiator: Some(initiator(&row.initiator)),
        checksum_type: row.checksum_algorithm.as_ref().map(|_| checksum::kind(row.composite)),
        checksum_algorithm: row.checksum_algorithm,
    }
}
