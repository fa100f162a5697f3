//! Reading `multipart/form-data`: fields into memory, the file as a stream.

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use undercast_kernel::ServiceError;
use undercast_smithy::Body;
use undercast_smithy::BodyError;
use undercast_smithy::body::Content;

/// AWS takes 20 KB of fields; a policy alone may be as large.
const FIELDS_BYTES_MAX: usize = 64 << 10;
const BOUNDARY_BYTES_MAX: usize = 200;

/// A form whose file, if it has one, is still to be read.
pub(super) struct Form {
    /// In their order; the names in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) file: Option<File>,
}

pub(super) struct File {
    pub(super) name: Option<String>,
    pub(super) content: Body,
}

impl Form {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn malformed() -> ServiceError {
    ServiceError::new("MalformedPOSTRequest", MALFORMED)
}

const MALFORMED: &str = "The body of your POST request is not well-formed multipart/form-data.";

/// What is still to be read.
struct Rest {
    source: BoxStream<'static, Result<Bytes, BodyError>>,
    have: BytesMut,
    /// What ends a part.
    end: Vec<u8>,
}

impl Rest {
    /// One piece more; `false` at the end.
    async fn more(&mut self) -> Result<bool, BodyError> {
        match self.source.next().await {
            Some(piece) => {
                self.have.extend_from_slice(&piece?);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Takes everything before `mark` and the mark itself.
    async fn until(&mut self, mark: &[u8]) -> Result<BytesMut, ServiceError> {
        loop {
            if let Some(at) = find(&self.have, mark) {
                let found = self.have.split_to(at);
                let _ = self.have.split_to(mark.len());
                return Ok(found);
            }
            if self.have.len() > FIELDS_BYTES_MAX {
                let message = "Your POST request fields preceding the upload file were too large.";
                return Err(ServiceError::new("MaxPostPreDataLengthExceededError", message)
                    .with_field("MaxPostPreDataLengthAllowed", FIELDS_BYTES_MAX));
            }
            if !self.more().await.map_err(crate::error::body)? {
                return Err(malformed());
            }
        }
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    let first = *mark.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|b| *b == first)?;
        if text.get(at..)?.starts_with(mark) {
            return Some(at);
        }
        from = at + 1;
    }
}

pub(super) async fn read(body: Body, boundary: &str) -> Result<Form, ServiceError> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return Err(malformed());
    }
    let source = match body.take() {
        Content::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
        Content::Stream { stream, .. } => stream,
        Content::Events(_) => return Err(malformed()),
    };
    let end = format!("\r\n--{boundary}").into_bytes();
    // The first boundary has no line before it.
    let mut rest = Rest { source, have: BytesMut::from(&b"\r\n"[..]), end: end.clone() };
    let mut form = Form { fields: Vec::new(), file: None };
    let mut bytes = rest.until(&end).await?.len();
    loop {
        let line = rest.until(b"\r\n").await?;
        if line.starts_with(b"--") {
            return Ok(form);
        }
        // A head may be empty; then its end follows at once.
        let mut head = BytesMut::from(&b"\r\n"[..]);
        head.extend_from_slice(&rest.until(b"\r\n\r\n").await?);
        let head = String::from_utf8_lossy(&head).into_owned();
        let name = parameter(&head, "name").ok_or_else(malformed)?.to_lowercase();
        if name == "file" {
            let name = parameter(&head, "filename")
                .map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
            let content = Body::from_stream(content(rest).boxed(), None);
            form.file = Some(File { name, content });
            return Ok(form);
        }
        let value = rest.until(&end).await?;
        bytes += name.len() + value.len();
        if bytes > FIELDS_BYTES_MAX {
            return Err(malformed());
        }
        form.fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
}

/// `name="…"` in the disposition of a part.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.split_once(':')
            .is_some_and(|(n, _)| n.trim().eq_ignore_ascii_case("content-disposition"))
    })?;
    let mut parts = line.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
    let (_, value) = parts.find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// What comes before the next boundary. What follows it is read and forgotten, as far as it is short.
fn content(rest: Rest) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    const TAIL_BYTES_MAX: usize = 64 << 10;
    stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        loop {
            if let Some(at) = find(&rest.have, &rest.end) {
                let last = rest.have.split_to(at).freeze();
                while rest.have.len() < TAIL_BYTES_MAX && matches!(rest.more().await, Ok(true)) {}
                return Some((Ok(last), None));
            }
            let sure = rest.have.len().saturating_sub(rest.end.len());
            if sure > 0 {
                let piece = rest.have.split_to(sure).freeze();
                return Some((Ok(piece), Some(rest)));
            }
            match rest.more().await {
                Ok(true) => {}
                Ok(false) => {
                    let message = MALFORMED.to_owned();
                    let error = BodyError::Invalid { code: "MalformedPOSTRequest", message };
                    return Some((Err(error), None));
                }
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

/// The same content, which is wrong if it is not of a length within the range.
pub(super) fn within(body: Body, range: Option<(u64, u64)>) -> Body {
    let Some((min, max)) = range else {
        return body;
    };
    let Content::Stream { stream: source, .. } = body.take() else {
        return body;
    };
    let wrong = |code, message: &str| BodyError::Invalid { code, message: message.to_owned() };
    let checked =
        stream::unfold((source, 0_u64, false), move |(mut source, length, over)| async move {
            if over {
                return None;
            }
            match source.next().await {
                Some(Ok(piece)) => {
                    let length = length + piece.len() as u64;
                    let piece = match length > max {
                        true => Err(wrong(
                            "EntityTooLarge",
                            "Your proposed upload exceeds the maximum allowed size",
                        )),
                        false => Ok(piece),
                    };
                    let over = piece.is_err();
                    Some((piece, (source, length, over)))
                }
                Some(Err(error)) => Some((Err(error), (source, length, true))),
                None if length < min => {
                    let message = "Your proposed upload is smaller than the minimum allowed size";
                    Some((Err(wrong("EntityTooSmall", message)), (source, length, true)))
                }
                None => None,
            }
        });
    Body::from_stream(checked.boxed(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn form(text: &str, size: usize) -> Result<(Form, Vec<u8>), ServiceError> {
        let pieces: Vec<Result<Bytes, BodyError>> =
            text.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Ok).collect();
        let body = Body::from_stream(stream::iter(pieces).boxed(), None);
        let form = read(body, "xyz").await?;
        let content = match &form.file {
            Some(file) => {
                file.content.clone().collect(1 << 20).await.map_err(crate::error::body)?.to_vec()
            }
            None => Vec::new(),
        };
        Ok((form, content))
    }

    const FORM: &str = "--xyz\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\na/${filename}\r\n--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\b.txt\"\r\nContent-Type: text/plain\r\n\r\none\r\n--xy two\r\n\r\n--xyz--\r\n";

    #[tokio::test]
    async fn forms_are_read_in_whatever_pieces_they_come() {
        for size in [1, 2, 3, 7, 1000] {
            let (form, content) = form(FORM, size).await.unwrap();
            assert_eq!(form.field("key"), Some("a/${filename}"));
            assert_eq!(form.file.as_ref().unwrap().name.as_deref(), Some("b.txt"));
            assert_eq!(content, b"one\r\n--xy two\r\n");
        }
    }

    #[tokio::test]
    async fn what_ends_too_early_is_malformed() {
        for end in [5, 30, 90, FORM.len() - 10] {
            let error = form(FORM.get(..end).unwrap(), 16).await.err().unwrap();
            assert_eq!(error.code(), "MalformedPOSTRequest", "{end}");
        }
    }

    #[tokio::test]
    async fn lengths_are_kept_to() {
        let of = |text: &'static str, range| async move {
            let body = Body::from_stream(stream::iter([Ok(Bytes::from(text))]).boxed(), None);
            within(body, Some(range)).collect(1 << 20).await.is_ok()
        };
        assert!(of("four", (4, 4)).await);
        assert!(!of("four", (5, 9)).await);
        assert!(!of("four", (0, 3)).await);
    }
}
