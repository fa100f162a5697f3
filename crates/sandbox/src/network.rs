//! The sandbox's end of a network that an instance has for itself.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::dns;
use crate::function::Ends;

/// The Runtime API's port inside: the one that AWS uses.
pub(crate) const API_PORT: u16 = 9001;
/// What comes with the listeners.
pub(crate) const GREETING: &[u8] = b"net\n";
/// Runtime endpoint, name server (two), TLS.
pub(crate) const FIXED_ENDS: usize = 4;
pub(crate) const ENDS_MAX: usize = 12;

/// The listeners of an instance's network.
pub(crate) struct Received {
    pub(crate) api: TcpListener,
    pub(crate) names: dns::Server,
    pub(crate) ends: Ends,
}

/// Waits for the launcher's listeners. What it says instead of them is the error.
#[cfg(target_os = "linux")]
pub(crate) async fn receive(control: &tokio::net::UnixStream) -> io::Result<Received> {
    use std::os::fd::OwnedFd;
    let fds = loop {
        control.readable().await?;
        match control.try_io(tokio::io::Interest::READABLE, || take(control)) {
            Ok(fds) => break fds,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    };
    let mut fds: std::vec::IntoIter<OwnedFd> = fds.into_iter();
    let mut next = || fds.next().ok_or_else(|| io::Error::other("a listener is missing"));
    let (api, udp, tcp, tls) = (next()?, next()?, next()?, next()?);
    let plain = fds.map(TcpListener::from).collect();
    let names = dns::Server::on(UdpSocket::from(udp), tcp.into(), Ipv4Addr::LOCALHOST)?;
    Ok(Received { api: api.into(), names, ends: Ends { tls: tls.into(), plain } })
}

#[cfg(target_os = "linux")]
fn take(control: &tokio::net::UnixStream) -> io::Result<Vec<std::os::fd::OwnedFd>> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use std::io::IoSliceMut;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ENDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut greeting = [0_u8; GREETING.len()];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(control, &mut [IoSliceMut::new(&mut greeting)], &mut ancillary, flags)?;
    if received.bytes == 0 {
        return Err(io::Error::other("the launcher ended before it opened its network"));
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if greeting != GREETING || fds.len() < FIXED_ENDS {
        return Err(io::Error::other("the network of its own could not be opened"));
    }
    Ok(fds)
}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn receive(_: &tokio::net::UnixStream) -> io::Result<Received> {
    Err(io::Error::other("networks of their own exist on Linux only"))
}
