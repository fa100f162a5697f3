//! A network of its own: a loopback device to which every address belongs, and listeners on it whose ends
//! go to the sandbox. Nothing else leads out.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType,
    recv, sendmsg, sendto, socket,
};

use super::step;
use crate::launcher::control;
use crate::network::{API_PORT, ENDS_MAX, FIXED_ENDS, GREETING};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWROUTE: u16 = 24;
/// Request, acknowledge.
const ASK: u16 = 1 | 4;
/// For something new: create, too.
const CREATE: u16 = ASK | 0x400;
const LOOPBACK: u32 = 1;

/// Makes the device work, opens the listeners and hands them over.
pub(super) fn open(plain: &[u16]) -> Result<(), String> {
    // No protocol stands for number 0: routing.
    let netlink = step("netlink", socket(AddressFamily::NETLINK, SocketType::RAW, None))?;
    step("loopback", ask(&netlink, RTM_NEWLINK, ASK, &link_up()))?;
    // Every address is ours: a call to one that is written down somewhere comes to us, too.
    step("route", ask(&netlink, RTM_NEWROUTE, CREATE, &all_local()))?;
    let api = step("runtime endpoint", TcpListener::bind((Ipv4Addr::LOCALHOST, API_PORT)))?;
    let any = Ipv4Addr::UNSPECIFIED;
    let names_udp = step("names", UdpSocket::bind((any, 53)))?;
    let names_tcp = step("names", TcpListener::bind((any, 53)))?;
    let tls = step("port 443", TcpListener::bind((any, 443)))?;
    let plain: Result<Vec<TcpListener>, String> = plain
        .iter()
        .map(|port| step(&format!("port {port}"), TcpListener::bind((any, *port))))
        .collect();
    let plain = plain?;
    let mut ends: Vec<BorrowedFd<'_>> =
        vec![api.as_fd(), names_udp.as_fd(), names_tcp.as_fd(), tls.as_fd()];
    debug_assert_eq!(ends.len(), FIXED_ENDS);
    ends.extend(plain.iter().map(AsFd::as_fd));
    step("listeners", hand_over(&ends))
}

fn hand_over(ends: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ENDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(ends)) {
        return Err(io::Error::other("too many listeners"));
    }
    let sent = sendmsg(control()?, &[IoSlice::new(GREETING)], &mut ancillary, SendFlags::empty())?;
    if sent == GREETING.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// `struct ifinfomsg`: the loopback device, with the flag UP.
fn link_up() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0];
    for field in [LOOPBACK, 1, 1] {
        message.extend_from_slice(&field.to_ne_bytes());
    }
    message
}

/// `struct rtmsg` and one attribute: 0.0.0.0/0 is local on the loopback device.
fn all_local() -> Vec<u8> {
    let (inet, table_local, protocol_boot, scope_host, type_local) = (2, 255, 3, 254, 2);
    let mut message = vec![inet, 0, 0, 0, table_local, protocol_boot, scope_host, type_local];
    message.extend_from_slice(&0_u32.to_ne_bytes());
    let (length, outgoing_device) = (8_u16, 4_u16);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&outgoing_device.to_ne_bytes());
    message.extend_from_slice(&LOOPBACK.to_ne_bytes());
    message
}

/// One request to the kernel, and its answer.
fn ask(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(16 + body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(body);
    sendto(socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0_u8; 1024];
    let (length, _) = recv(socket, &mut answer, RecvFlags::empty())?;
    // An acknowledgement is an error message with the number 0, behind its head of 16 bytes.
    let code: Option<[u8; 4]> =
        answer.get(..length).and_then(|a| a.get(16..20)).and_then(|c| c.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
