//! The accept loop: connections in, requests to the gateway, a drain at the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::Gateway;
use crate::leftover::lend;

/// A connection, whatever carries it.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection for T {}

/// Puts a layer over each accepted connection, such as TLS.
pub type Wrap =
    Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> + Send + Sync>;

/// How long a client may take for the head of a request, idle time on a kept connection included.
const HEAD_TIME_MAX: Duration = Duration::from_secs(120);
/// How long requests may still run after a shutdown has begun.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 128 << 10;
const HEADERS_MAX: usize = 200;

/// Accepts plain connections until `shutdown` is done, then lets the running requests finish.
pub async fn serve(listener: TcpListener, gateway: Gateway, shutdown: impl Future<Output = ()>) {
    serve_with(listener, gateway, "http", None, shutdown).await;
}

/// The same with a layer over each connection.
pub async fn serve_with(
    listener: TcpListener,
    gateway: Gateway,
    scheme: &'static str,
    wrap: Option<Wrap>,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopping) = watch::channel(());
    // Every connection holds a sender, so the receiver ends with the last of them.
    let (open, mut closed) = mpsc::channel::<Infallible>(1);
    let env = gateway.kernel().env().clone();
    futures::pin_mut!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: closing connections will free some.
                tracing::warn!(target: "undercast::wire", "cannot accept a connection: {error}");
                env.clock.sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let (gateway, stopping, open, wrap) =
            (gateway.clone(), stopping.clone(), open.clone(), wrap.clone());
        env.spawn("connection", async move {
            match wrap {
                None => connection(socket, peer, gateway, scheme, stopping).await,
                Some(wrap) => match wrap(socket).await {
                    Ok(socket) => connection(socket, peer, gateway, scheme, stopping).await,
                    Err(error) => {
                        tracing::debug!(target: "undercast::wire", %peer, "no connection: {error}");
                    }
                },
            }
            drop(open);
        });
    }
    drop(listener);
    drop(open);
    let _ = stop.send(());
    let _ = env.timeout(DRAIN_TIME_MAX, closed.recv()).await;
}

async fn connection(
    socket: impl Connection,
    peer: SocketAddr,
    gateway: Gateway,
    scheme: &'static str,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let gateway = gateway.clone();
        async move {
            let waits = request.headers().contains_key(header::EXPECT);
            let (parts, body) = request.into_parts();
            let (body, leftover) = lend(body);
            let request = hyper::Request::from_parts(parts, body);
            let mut response = gateway.handle(request, peer, scheme).await;
            if !leftover.read(gateway.kernel().env(), waits).await {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    builder.max_buf_size(HEAD_BYTES_MAX * 4).max_headers(HEADERS_MAX).half_close(true);
    let served = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    futures::pin_mut!(served);
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        _ = stopping.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "undercast::wire", %peer, "connection ended: {error}");
    }
}
