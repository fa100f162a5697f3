//! `aws-chunked` bodies: sizes, data, signatures and trailers, decoded while they stream.

use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sha2::{Digest as _, Sha256};
use undercast_smithy::BodyError;

use crate::checksum::Trailers;
use crate::sigv4::{EMPTY_SHA256, SigningKey, same, sha256_hex};

const LINE_BYTES_MAX: usize = 16 << 10;
const TRAILERS_MAX: usize = 16;

/// Verifies the signature of each chunk, which covers the one before.
#[derive(Debug)]
pub struct ChunkSigner {
    key: SigningKey,
    /// `date \n scope`, which every string to sign begins with.
    head: String,
    previous: String,
    hash: Sha256,
}

impl ChunkSigner {
    /// `seed` is the signature of the request itself.
    pub fn new(key: SigningKey, time: &str, scope: &str, seed: &str) -> Self {
        let head = format!("{time}\n{scope}");
        Self { key, head, previous: seed.to_owned(), hash: Sha256::new() }
    }

    fn check(&mut self, kind: &str, hashes: &str, given: Option<&str>) -> Result<(), BodyError> {
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{}\n{}\n{hashes}", self.head, self.previous);
        let expected = self.key.sign(&text);
        if !given.is_some_and(|given| same(given.as_bytes(), expected.as_bytes())) {
            return Err(BodyError::Invalid {
                code: "SignatureDoesNotMatch",
                message: "The request signature we calculated does not match the signature you \
                          provided. Check your key and signing method."
                    .to_owned(),
            });
        }
        self.previous = expected;
        Ok(())
    }

    fn check_chunk(&mut self, given: Option<&str>) -> Result<(), BodyError> {
        let hash = hex::encode(std::mem::take(&mut self.hash).finalize());
        self.check("PAYLOAD", &format!("{EMPTY_SHA256}\n{hash}"), given)
    }

    fn check_trailers(&mut self, trailers: &str, given: Option<&str>) -> Result<(), BodyError> {
        self.check("TRAILER", &sha256_hex(trailers.as_bytes()), given)
    }
}

/// Takes bytes as they come and gives out what they hold.
#[derive(Debug)]
pub struct Decoder {
    buffer: Bytes,
    state: State,
    signer: Option<ChunkSigner>,
    signature: Option<String>,
    decoded: u64,
    /// What `x-amz-decoded-content-length` promises.
    length: Option<u64>,
    trailers: Trailers,
    signed_trailers: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the line with a chunk's size.
    Size,
    Data(u64),
    /// At the line break after a chunk's data.
    DataEnd,
    Trailers,
    Done,
}

fn malformed(why: &str) -> BodyError {
    BodyError::Invalid {
        code: "InvalidRequest",
        message: format!("The aws-chunked body is malformed: {why}."),
    }
}

fn incomplete() -> BodyError {
    BodyError::Invalid {
        code: "IncompleteBody",
        message:
            "You did not provide the number of bytes specified by the Content-Length HTTP header"
                .to_owned(),
    }
}

impl Decoder {
    pub fn new(length: Option<u64>, signer: Option<ChunkSigner>, trailers: &Trailers) -> Self {
        Self {
            buffer: Bytes::new(),
            state: State::Size,
            signer,
            signature: None,
            decoded: 0,
            length,
            trailers: Arc::clone(trailers),
            signed_trailers: String::new(),
        }
    }

    /// Adds what has arrived. Data is not copied unless a line was torn apart.
    pub fn push(&mut self, bytes: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + bytes.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&bytes);
            self.buffer = joined.freeze();
        }
    }

    /// The next piece of data; nothing when more has to arrive first or all is done.
    pub fn next_data(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self.state {
                State::Data(left) => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    let data = self.buffer.split_to(here);
                    let left = left - here as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    self.decoded += here as u64;
                    if self.length.is_some_and(|length| self.decoded > length) {
                        return Err(incomplete());
                    }
                    if let Some(signer) = &mut self.signer {
                        signer.hash.update(&data);
                    }
                    return Ok(Some(data));
                }
                State::Done => {
                    self.buffer.clear();
                    return Ok(None);
                }
                _ => {
                    let Some(line) = self.line()? else {
                        return Ok(None);
                    };
                    self.take_line(&line)?;
                }
            }
        }
    }

    /// A whole line without its end, once it is there.
    fn line(&mut self) -> Result<Option<String>, BodyError> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(malformed("a line is too long"));
            }
            return Ok(None);
        };
        if end > LINE_BYTES_MAX {
            return Err(malformed("a line is too long"));
        }
        let line = self.buffer.split_to(end + 1);
        let text = std::str::from_utf8(&line).map_err(|_| malformed("a line is not text"))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn take_line(&mut self, line: &str) -> Result<(), BodyError> {
        match self.state {
            State::DataEnd => {
                if !line.is_empty() {
                    return Err(malformed("a chunk is longer than its size says"));
                }
                if let Some(signer) = &mut self.signer {
                    signer.check_chunk(self.signature.take().as_deref())?;
                }
                self.state = State::Size;
            }
            State::Trailers if line.is_empty() => self.finish()?,
            State::Trailers => self.trailer(line)?,
            _ => self.size(line)?,
        }
        Ok(())
    }

    fn size(&mut self, line: &str) -> Result<(), BodyError> {
        let (size, extensions) = line.split_once(';').unwrap_or((line, ""));
        let size = size.trim();
        let valid =
            !size.is_empty() && size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| valid);
        let size = size.ok_or_else(|| malformed("a chunk has no size"))?;
        let mut extensions = extensions.split(';').map(str::trim);
        self.signature =
            extensions.find_map(|e| e.strip_prefix("chunk-signature=")).map(str::to_owned);
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        if let Some(signer) = &mut self.signer {
            signer.check_chunk(self.signature.take().as_deref())?;
        }
        self.state = State::Trailers;
        Ok(())
    }

    fn trailer(&mut self, line: &str) -> Result<(), BodyError> {
        let (name, value) =
            line.split_once(':').ok_or_else(|| malformed("a trailer has no value"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            self.signature = Some(value.to_owned());
            return Ok(());
        }
        self.signed_trailers.push_str(&format!("{name}:{value}\n"));
        let mut trailers = self.trailers.lock().unwrap_or_else(PoisonError::into_inner);
        if trailers.len() == TRAILERS_MAX {
            return Err(malformed("there are too many trailers"));
        }
        trailers.push((name, value.to_owned()));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BodyError> {
        // An empty line also stands between the last trailer and its signature.
        if self.signer.is_some() && !self.signed_trailers.is_empty() && self.signature.is_none() {
            return Ok(());
        }
        if let Some(signer) = self.signer.as_mut().filter(|_| !self.signed_trailers.is_empty()) {
            signer.check_trailers(&self.signed_trailers, self.signature.take().as_deref())?;
        }
        self.state = State::Done;
        if self.length.is_some_and(|length| self.decoded != length) {
            return Err(incomplete());
        }
        Ok(())
    }

    /// Nothing more will arrive. The last line break may be missing.
    pub fn end(&mut self) -> Result<(), BodyError> {
        if self.state == State::Trailers {
            if !self.buffer.is_empty() {
                self.push(Bytes::from_static(b"\n"));
                self.next_data()?;
            }
            if self.state == State::Trailers {
                self.finish()?;
            }
            if self.state == State::Trailers
                && let Some(signer) = &mut self.signer
            {
                return signer.check_trailers(&self.signed_trailers, None);
            }
        }
        if self.state == State::Done { Ok(()) } else { Err(incomplete()) }
    }

    /// Decodes a stream.
    pub fn over(
        self,
        stream: BoxStream<'static, Result<Bytes, BodyError>>,
    ) -> BoxStream<'static, Result<Bytes, BodyError>> {
        let state = Some((self, stream));
        futures::stream::unfold(state, |state| async move {
            let (mut decoder, mut stream) = state?;
            loop {
                match decoder.next_data() {
                    Ok(Some(data)) => return Some((Ok(data), Some((decoder, stream)))),
                    Ok(None) => {}
                    Err(error) => return Some((Err(error), None)),
                }
                match stream.next().await {
                    Some(Ok(bytes)) => decoder.push(bytes),
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => return decoder.end().err().map(|error| (Err(error), None)),
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(
        text: &str,
        step: usize,
        length: Option<u64>,
    ) -> Result<(String, Trailers), BodyError> {
        let trailers = Trailers::default();
        let mut decoder = Decoder::new(length, None, &trailers);
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(data) = decoder.next_data()? {
                out.extend_from_slice(&data);
            }
        }
        decoder.end()?;
        Ok((String::from_utf8(out).unwrap(), trailers))
    }

    #[test]
    fn chunks_are_joined_however_they_arrive() {
        let text = "5\r\nhello\r\n6;chunk-signature=x\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        for step in 1..=text.len() {
            let (body, trailers) = decode(text, step, Some(11)).unwrap();
            assert_eq!(body, "hello world");
            assert_eq!(trailers.lock().unwrap()[0].1, "DUoRhQ==");
        }
        assert_eq!(decode("0\r\n\r\n", 2, Some(0)).unwrap().0, "");
        assert_eq!(decode("1\r\na\r\n0\r\n", 9, None).unwrap().0, "a");
        assert_eq!(decode("1\r\na\r\n0\r\nx:y", 9, None).unwrap().1.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_is_malformed_or_cut_off_is_refused() {
        for text in [
            "",
            "5\r\nhel",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "x\r\n",
            "-1\r\n",
            "2\r\nabc\r\n0\r\n\r\n",
            "0\r\nnovalue\r\n\r\n",
        ] {
            assert!(decode(text, 3, None).is_err(), "{text:?}");
        }
        assert!(decode("1\r\na\r\n0\r\n\r\n", 3, Some(2)).is_err());
        assert!(decode("2\r\nab\r\n0\r\n\r\n", 3, Some(1)).is_err());
        assert!(decode(&"1".repeat(40_000), 4096, None).is_err());
    }

    /// AWS's published example of a signed stream: 65 KiB and 1 KiB of `a`, then the empty chunk.
    #[test]
    fn the_published_chain_of_signatures_is_verified() {
        let key = SigningKey::new(
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "20130524",
            "us-east-1",
            "s3",
        );
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let signer =
            ChunkSigner::new(key, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", seed);
        let text = format!(
            "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{}\r\n\
             400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n{}\r\n\
             0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
            "a".repeat(65536),
            "a".repeat(1024)
        );
        let trailers = Trailers::default();
        let mut decoder = Decoder::new(Some(66560), Some(signer), &trailers);
        decoder.push(Bytes::from(text));
        let mut length = 0;
        while let Some(data) = decoder.next_data().unwrap() {
            length += data.len();
        }
        decoder.end().unwrap();
        assert_eq!(length, 66560);
    }
}
