//! Where the cloud is reached: the main listener, and inside functions TLS on 443 and a name server,
//! both on a loopback address of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use undercast_sandbox::dns;
use undercast_wire::serve::{Connection, Wrap};

use crate::authority::Authority;
use crate::terminal::Failure;

/// How many clouds can run side by side on one machine, each with its own inner address.
const INNER_ADDRESSES: u8 = 250;

/// What functions find under `*.amazonaws.com`.
pub(crate) struct Inner {
    pub(crate) address: Ipv4Addr,
    pub(crate) tls: TcpListener,
    /// Port 80, where it is free: for hosts outside that are relayed.
    pub(crate) plain: Option<TcpListener>,
    pub(crate) dns: dns::Server,
}

/// Takes the first loopback address whose ports 443 and 53 are free. The error says why there is
/// none: usually that the process may not bind ports below 1024.
pub(crate) async fn bind_inner(names: &dns::Names) -> Result<Inner, Failure> {
    let mut why = String::new();
    for last in 1..=INNER_ADDRESSES {
        let address = Ipv4Addr::new(127, 77, 0, last);
        let tls = match TcpListener::bind(SocketAddr::from((address, 443))).await {
            Ok(listener) => listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => continue,
            Err(error) => {
                why = error.to_string();
                break;
            }
        };
        let mut options = dns::Options::new(SocketAddr::from((address, 53)), address);
        options.names = names.clone();
        match dns::Server::bind(options).await {
            Ok(dns) => {
                let plain = TcpListener::bind(SocketAddr::from((address, 80))).await.ok();
                return Ok(Inner { address, tls, plain, dns });
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// TLS over each connection, with a certificate for whatever name is asked for.
pub(crate) fn tls(authority: &Authority, address: IpAddr) -> Result<Wrap, Failure> {
    let acceptor = TlsAcceptor::from(authority.server_config(address)?);
    Ok(Arc::new(move |socket: TcpStream| {
        let acceptor = acceptor.clone();
        async move { Ok(Box::new(acceptor.accept(socket).await?) as Box<dyn Connection>) }.boxed()
    }))
}
