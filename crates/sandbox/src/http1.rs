//! The little of HTTP/1.1 that runtimes speak to us, written by hand because the hand-over of an event is the hot
//! path: one read, one write, no allocation per header that nobody asks for.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX};

/// One end of a kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// Request line and the headers that the Runtime API looks at.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    framing: Framing,
    pub(crate) keep_alive: bool,
    expects_continue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// Where the reader of a body stands.
pub(crate) struct BodyReader {
    framing: Framing,
    /// Bytes left of the body, or of the current chunk.
    left: u64,
    done: bool,
    chunk_open: bool,
    pub(crate) trailers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) enum BodyError {
    TooLarge,
    Broken(io::Error),
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Head {
    /// Value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn body(&self) -> BodyReader {
        let left = match self.framing {
            Framing::Length(length) => length,
            Framing::Chunked => 0,
        };
        BodyReader {
            framing: self.framing,
            left,
            done: self.framing == Framing::Length(0),
            chunk_open: false,
            trailers: Vec::new(),
        }
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(4096) }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(4096);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// The next request, `None` when the peer closed between requests.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.advance(length);
                return Ok(Some(head));
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(invalid("request head too long"));
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Waits until the peer hangs up. Pipelined bytes are kept for the next [`Self::head`].
    pub(crate) async fn hung_up(&mut self) {
        while self.buffer.len() <= HEAD_BYTES_MAX {
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// The whole body, at most `bytes_max`. A larger one is read to its end, so that the answer can be sent.
    pub(crate) async fn body(&mut self, head: &Head, bytes_max: usize) -> Result<Bytes, BodyError> {
        self.continue_if_expected(head).await?;
        if let Framing::Length(length) = head.framing
            && length <= bytes_max as u64
        {
            return Ok(self.exactly(length as usize).await?);
        }
        let mut reader = head.body();
        let mut all = BytesMut::new();
        let mut too_large = false;
        while let Some(chunk) = self.chunk(&mut reader).await? {
            too_large |= all.len() + chunk.len() > bytes_max;
            if !too_large {
                all.extend_from_slice(&chunk);
            }
        }
        if too_large { Err(BodyError::TooLarge) } else { Ok(all.freeze()) }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        if self.buffer.len() < length {
            self.buffer.reserve(length - self.buffer.len());
        }
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    pub(crate) async fn continue_if_expected(&mut self, head: &Head) -> io::Result<()> {
        if head.expects_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        Ok(())
    }

    /// The next piece of a body as it arrives; `None` at its end, when the trailers are known.
    pub(crate) async fn chunk(&mut self, reader: &mut BodyReader) -> io::Result<Option<Bytes>> {
        loop {
            if reader.done {
                return Ok(None);
            }
            if reader.left > 0 {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let take =
                    usize::try_from(reader.left).unwrap_or(usize::MAX).min(self.buffer.len());
                reader.left -= take as u64;
                reader.done = reader.left == 0 && reader.framing != Framing::Chunked;
                return Ok(Some(self.buffer.split_to(take).freeze()));
            }
            self.next_chunk(reader).await?;
        }
    }

    async fn next_chunk(&mut self, reader: &mut BodyReader) -> io::Result<()> {
        if reader.chunk_open {
            // The line break that closes the data of a chunk.
            self.line().await?;
            reader.chunk_open = false;
        }
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim().to_owned();
        let size = u64::from_str_radix(&size, 16).map_err(|_| invalid("bad chunk size"))?;
        if size > 0 {
            reader.left = size;
            reader.chunk_open = true;
            return Ok(());
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            if reader.trailers.len() >= HEADERS_MAX {
                return Err(invalid("too many trailers"));
            }
            if let Some((name, value)) = line.split_once(':') {
                reader.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        reader.done = true;
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(at + 1);
                return Ok(String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned());
            }
            // An error trailer carries a whole error report.
            if self.buffer.len() > 4 * HEAD_BYTES_MAX {
                return Err(invalid("line too long"));
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(invalid("bad request head")),
    };
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: Vec::with_capacity(request.headers.len()),
        framing: Framing::Length(0),
        keep_alive: request.version == Some(1),
        expects_continue: false,
    };
    for header in request.headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        let name = header.name.to_ascii_lowercase();
        match name.as_str() {
            "content-length" => {
                let length = value.trim().parse().map_err(|_| invalid("bad content length"))?;
                if head.framing != Framing::Chunked {
                    head.framing = Framing::Length(length);
                }
            }
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                head.framing = Framing::Chunked
            }
            "connection" if value.eq_ignore_ascii_case("close") => head.keep_alive = false,
            "connection" if value.eq_ignore_ascii_case("keep-alive") => head.keep_alive = true,
            "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            _ => head.headers.push((name, value)),
        }
    }
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_parsed_whole_or_not_at_all() {
        let text = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\nExpect: 100-continue\r\n\r\nhello";
        assert!(parse_head(&text[..20]).unwrap().is_none());
        let (head, length) = parse_head(text).unwrap().unwrap();
        assert_eq!((head.method.as_str(), head.path.as_str()), ("POST", "/x"));
        assert_eq!(&text[length..], b"hello");
        assert_eq!(head.framing, Framing::Length(5));
        assert!(!head.keep_alive && head.expects_continue);
        assert_eq!(head.header("host"), Some("a"));
        assert!(parse_head(b"\x00\x01 bad\r\n\r\n").is_err());
    }

    #[test]
    fn chunked_wins_over_a_length() {
        let text = b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n";
        let (head, _) = parse_head(text).unwrap().unwrap();
        assert_eq!(head.framing, Framing::Chunked);
    }
}
