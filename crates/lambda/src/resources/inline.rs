//! Source text in a template: an archive with one file, and the module that answers CloudFormation.

use std::io::{Cursor, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use undercast_kernel::ServiceError;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::error::invalid;

const NODE_RESPONSE: &str = include_str!("cfn-response.js");
const PYTHON_RESPONSE: &str = include_str!("cfnresponse.py");
const SOURCE_CHARS_MAX: usize = 4 * 1024 * 1024;

/// The archive in base64; the same source gives the same bytes.
pub(super) fn archive(runtime: &str, source: &str) -> Result<String, ServiceError> {
    if source.len() > SOURCE_CHARS_MAX {
        return Err(invalid("The source text in ZipFile is longer than 4 MB."));
    }
    let files = if runtime.starts_with("nodejs") {
        [("index.js", source), ("node_modules/cfn-response.js", NODE_RESPONSE)]
    } else if runtime.starts_with("python") {
        [("index.py", source), ("cfnresponse.py", PYTHON_RESPONSE)]
    } else {
        return Err(invalid(format!(
            "ZipFile can only be used when using a runtime environment of either Node.js or Python, not {runtime}."
        )));
    };
    let zip = pack(&files).map_err(ServiceError::internal)?;
    Ok(BASE64.encode(zip))
}

fn pack(files: &[(&str, &str)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for (name, text) in files {
        zip.start_file(*name, options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_source_gives_the_same_archive() {
        let one = archive("python3.12", "def handler(e, c): pass").unwrap();
        assert_eq!(one, archive("python3.12", "def handler(e, c): pass").unwrap());
        assert_ne!(one, archive("nodejs20.x", "def handler(e, c): pass").unwrap());
        assert!(archive("provided.al2023", "x").is_err());
    }
}
