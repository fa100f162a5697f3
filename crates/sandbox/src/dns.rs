//! A small name server for functions: names of AWS lead to us, everything else goes to the system's resolver.
//!
//! It knows just enough of DNS: one question per message, answers of type A with our address, an empty answer for
//! other types of our names. Messages of others are forwarded as they are, so nothing of theirs is parsed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use crate::clock;

/// Names that are ours, with everything below them.
pub const SUFFIXES: &[&str] = &[
    "amazonaws.com",
    "api.aws",
    "on.aws",
    "amazoncognito.com",
    "cloudfront.net",
    "localhost.localstack.cloud",
    "localhost",
];

/// Questions that are answered at the same time.
const QUESTIONS_MAX: usize = 256;
const UDP_BYTES_MAX: usize = 4096;
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);
const TTL_S: u32 = 60;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;

/// Names that can be exchanged while a server runs. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<RwLock<Vec<String>>>);

impl Names {
    /// In lower case.
    pub fn set(&self, names: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    fn contain(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|own| own == name)
    }
}

/// Settings of a [`Server`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens, UDP and TCP.
    pub listen: SocketAddr,
    /// What our names lead to.
    pub address: Ipv4Addr,
    /// Lower case, without a leading dot; [`SUFFIXES`] by default. An empty one is every name.
    pub suffixes: Vec<String>,
    /// Other names that are ours for the time being, without what is below them.
    pub names: Names,
    /// Who is asked for other names; the first name server of the host by default.
    pub upstream: Option<SocketAddr>,
}

impl Options {
    #[must_use]
    pub fn new(listen: SocketAddr, address: Ipv4Addr) -> Self {
        let suffixes = SUFFIXES.iter().map(|suffix| (*suffix).to_owned()).collect();
        Self { listen, address, suffixes, names: Names::default(), upstream: system_resolver() }
    }
}

/// The first name server of `/etc/resolv.conf`.
#[must_use]
pub fn system_resolver() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    text.lines().find_map(|line| {
        let address: IpAddr = line.trim().strip_prefix("nameserver")?.trim().parse().ok()?;
        Some(SocketAddr::new(address, 53))
    })
}

/// Bound, ready to serve.
pub struct Server {
    shared: Arc<Shared>,
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
}

struct Shared {
    options: Options,
    permits: Semaphore,
}

impl Server {
    /// # Errors
    /// The address cannot be bound (port 53 needs a privilege).
    pub async fn bind(mut options: Options) -> io::Result<Self> {
        let tcp = TcpListener::bind(options.listen).await?;
        let at = tcp.local_addr()?;
        let udp = Arc::new(UdpSocket::bind(at).await?);
        // A server that asks itself would never answer.
        options.upstream = options.upstream.filter(|upstream| *upstream != at);
        let shared = Arc::new(Shared { options, permits: Semaphore::new(QUESTIONS_MAX) });
        Ok(Self { shared, udp, tcp })
    }

    /// On sockets that are there already, for a network where every name leads to `address`.
    ///
    /// # Errors
    /// The sockets cannot be used.
    pub fn on(
        udp: std::net::UdpSocket,
        tcp: std::net::TcpListener,
        address: Ipv4Addr,
    ) -> io::Result<Self> {
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let (udp, tcp) = (Arc::new(UdpSocket::from_std(udp)?), TcpListener::from_std(tcp)?);
        let options = Options {
            listen: tcp.local_addr()?,
            address,
            suffixes: vec![String::new()],
            names: Names::default(),
            upstream: None,
        };
        Ok(Self {
            shared: Arc::new(Shared { options, permits: Semaphore::new(QUESTIONS_MAX) }),
            udp,
            tcp,
        })
    }

    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until dropped.
    pub async fn run(self) {
        let Self { shared, udp, tcp } = self;
        let mut buffer = vec![0_u8; UDP_BYTES_MAX];
        loop {
            tokio::select! {
                received = udp.recv_from(&mut buffer) => {
                    let Ok((length, peer)) = received else { continue };
                    let question = buffer.get(..length).unwrap_or_default().to_vec();
                    let (shared, udp) = (Arc::clone(&shared), Arc::clone(&udp));
                    clock::spawn(async move {
                        // More than we can carry is dropped: the client asks again.
                        let Ok(_permit) = shared.permits.try_acquire() else { return };
                        if let Some(answer) = shared.answer_udp(&question).await {
                            let _ = udp.send_to(&answer, peer).await;
                        }
                    });
                }
                accepted = tcp.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let shared = Arc::clone(&shared);
                    clock::spawn(async move {
                        let Ok(_permit) = shared.permits.try_acquire() else { return };
                        let _ = clock::within(FORWARD_TIMEOUT * 2, shared.converse(stream)).await;
                    });
                }
            }
        }
    }
}

impl Shared {
    fn respond(&self, question: &[u8]) -> Reply {
        let Options { suffixes, names, address, .. } = &self.options;
        match respond(question, suffixes, *address) {
            Reply::Forward => match Question::parse(question).filter(|q| names.contain(&q.name)) {
                Some(own) => respond(question, &[own.name], *address),
                None => Reply::Forward,
            },
            reply => reply,
        }
    }

    async fn answer_udp(&self, question: &[u8]) -> Option<Vec<u8>> {
        match self.respond(question) {
            Reply::Ours(answer) => Some(answer),
            Reply::Ignored => None,
            Reply::Forward => match self.forward_udp(question).await {
                Some(answer) => Some(answer),
                None => failure(question),
            },
        }
    }

    async fn forward_udp(&self, question: &[u8]) -> Option<Vec<u8>> {
        let upstream = self.options.upstream?;
        let socket =
            UdpSocket::bind(if upstream.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await.ok()?;
        socket.connect(upstream).await.ok()?;
        socket.send(question).await.ok()?;
        let mut buffer = vec![0_u8; UDP_BYTES_MAX];
        let length = clock::within(FORWARD_TIMEOUT, socket.recv(&mut buffer)).await?.ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = match stream.read_u16().await {
                Ok(length) => length,
                Err(_) => return Ok(()),
            };
            let mut question = vec![0_u8; usize::from(length)];
            stream.read_exact(&mut question).await?;
            let answer = match self.respond(&question) {
                Reply::Ours(answer) => Some(answer),
                Reply::Ignored => None,
                Reply::Forward => match self.forward_tcp(&question).await {
                    Ok(answer) => Some(answer),
                    Err(_) => failure(&question),
                },
            };
            let Some(answer) = answer else { return Ok(()) };
            let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            stream.write_u16(length).await?;
            stream.write_all(&answer).await?;
        }
    }

    async fn forward_tcp(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let upstream = self.options.upstream.ok_or(io::ErrorKind::NotConnected)?;
        let work = async {
            let mut stream = TcpStream::connect(upstream).await?;
            stream.write_u16(u16::try_from(question.len()).unwrap_or(0)).await?;
            stream.write_all(question).await?;
            let mut answer = vec![0_u8; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        clock::within(FORWARD_TIMEOUT, work).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// What a message gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ours(Vec<u8>),
    Forward,
    /// Not a question.
    Ignored,
}

/// Whether a name in lower case is one of these, or below one. An empty suffix is every name.
#[must_use]
pub fn is_below<S: AsRef<str>>(name: &str, suffixes: &[S]) -> bool {
    suffixes.iter().map(AsRef::as_ref).any(|suffix| {
        let rest = name.strip_suffix(suffix);
        rest.is_some_and(|rest| suffix.is_empty() || rest.is_empty() || rest.ends_with('.'))
    })
}

/// Answers questions for our names. Pure, and bounded by the length of the message.
#[must_use]
pub fn respond(message: &[u8], suffixes: &[String], address: Ipv4Addr) -> Reply {
    let Some(question) = Question::parse(message) else {
        return Reply::Ignored;
    };
    if !is_below(&question.name, suffixes) {
        return Reply::Forward;
    }
    let with_address = question.class == CLASS_IN && matches!(question.kind, TYPE_A | TYPE_ANY);
    Reply::Ours(question.answer(message, with_address.then_some(address), 0))
}

/// "Server failure", for names that we could not look up.
fn failure(message: &[u8]) -> Option<Vec<u8>> {
    Some(Question::parse(message)?.answer(message, None, 2))
}

struct Question {
    name: String,
    kind: u16,
    class: u16,
    /// Where the question ends.
    end: usize,
    /// Operation code and "recursion desired", to be echoed.
    flags: u8,
}

impl Question {
    fn parse(message: &[u8]) -> Option<Self> {
        let flags = *message.get(2)?;
        let is_answer = flags & 0x80 != 0;
        if is_answer || be16(message, 4)? != 1 {
            return None;
        }
        let (mut name, mut at) = (String::new(), 12);
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            // Compression has no place in a question.
            if length > 63 || name.len() > 255 {
                return None;
            }
            if length == 0 {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            let label = message.get(at..at + length)?;
            name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
            at += length;
        }
        Some(Self {
            name,
            kind: be16(message, at)?,
            class: be16(message, at + 2)?,
            end: at + 4,
            flags,
        })
    }

    fn answer(&self, message: &[u8], address: Option<Ipv4Addr>, code: u8) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.end + 16);
        out.extend_from_slice(message.get(..2).unwrap_or_default());
        // Answer, authoritative, recursion available.
        out.push(0x84 | (self.flags & 0x79));
        out.push(0x80 | code);
        out.extend_from_slice(&[0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        out.extend_from_slice(message.get(12..self.end).unwrap_or_default());
        if let Some(address) = address {
            // The name is that of the question, at offset 12.
            out.extend_from_slice(&[0xc0, 0x0c]);
            out.extend_from_slice(&TYPE_A.to_be_bytes());
            out.extend_from_slice(&CLASS_IN.to_be_bytes());
            out.extend_from_slice(&TTL_S.to_be_bytes());
            out.extend_from_slice(&[0, 4]);
            out.extend_from_slice(&address.octets());
        }
        out
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message
    }

    fn ask(name: &str, kind: u16) -> Reply {
        let suffixes: Vec<String> = SUFFIXES.iter().map(|s| (*s).to_owned()).collect();
        respond(&question(name, kind), &suffixes, Ipv4Addr::new(127, 0, 0, 9))
    }

    #[test]
    fn names_of_aws_are_ours_and_only_those() {
        for name in [
            "SQS.eu-west-1.AmazonAWS.com",
            "amazonaws.com",
            "x.execute-api.localhost.localstack.cloud",
        ] {
            let Reply::Ours(answer) = ask(name, TYPE_A) else { panic!("{name}") };
            assert_eq!(&answer[..2], &[0xab, 0xcd]);
            assert_eq!(answer[7], 1);
            assert_eq!(&answer[answer.len() - 4..], &[127, 0, 0, 9]);
        }
        assert_eq!(ask("notamazonaws.com", TYPE_A), Reply::Forward);
        assert_eq!(ask("example.org", TYPE_A), Reply::Forward);
    }

    #[test]
    fn other_types_of_our_names_have_an_empty_answer() {
        let Reply::Ours(answer) = ask("s3.amazonaws.com", 28) else { panic!() };
        assert_eq!(answer[7], 0);
        assert_eq!(answer[3] & 0x0f, 0);
    }

    #[test]
    fn broken_messages_are_ignored() {
        let good = question("s3.amazonaws.com", 1);
        for length in 0..good.len() {
            assert_eq!(respond(&good[..length], &[], Ipv4Addr::LOCALHOST), Reply::Ignored);
        }
        let mut compressed = good.clone();
        compressed[12] = 0xc0;
        assert_eq!(respond(&compressed, &[], Ipv4Addr::LOCALHOST), Reply::Ignored);
        let mut answer = good;
        answer[2] |= 0x80;
        assert_eq!(respond(&answer, &[], Ipv4Addr::LOCALHOST), Reply::Ignored);
    }

    #[tokio::test]
    async fn serves_udp_and_tcp_and_forwards() {
        let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), Ipv4Addr::LOCALHOST);
        options.upstream = Some(upstream.local_addr().unwrap());
        let server = Server::bind(options).await.unwrap();
        let at = server.local_addr().unwrap();
        clock::spawn(server.run());
        clock::spawn(async move {
            let mut buffer = [0; 512];
            let (_, peer) = upstream.recv_from(&mut buffer).await.unwrap();
            upstream.send_to(b"as the upstream says", peer).await.unwrap();
        });
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 512];
        client.send_to(&question("sqs.amazonaws.com", 1), at).await.unwrap();
        assert!(client.recv(&mut buffer).await.unwrap() > 40);
        client.send_to(&question("example.org", 1), at).await.unwrap();
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"as the upstream says");
        let mut stream = TcpStream::connect(at).await.unwrap();
        let message = question("sqs.amazonaws.com", 1);
        stream.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
        stream.write_all(&message).await.unwrap();
        assert!(stream.read_u16().await.unwrap() > 40);
    }
}
