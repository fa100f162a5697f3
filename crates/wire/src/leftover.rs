//! What was left unread of a request's body: a call that is refused by its head does not read it, and
//! the next request on the connection stands behind it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use undercast_kernel::Env;

/// How much is read for nothing: clients look for the answer only when they have sent everything, so
/// that this is somewhat above the largest body that any call may have.
const BYTES_MAX: u64 = 128 << 20;
/// How long the client may take to send it.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A body on loan: it comes back if it is dropped before its end.
pub(crate) struct Lent<B: Body + Unpin> {
    body: Option<B>,
    back: Arc<Mutex<Option<B>>>,
}

/// Where a body comes back to.
pub(crate) struct Leftover<B>(Arc<Mutex<Option<B>>>);

pub(crate) fn lend<B: Body + Unpin>(body: B) -> (Lent<B>, Leftover<B>) {
    let back = Arc::new(Mutex::new(None));
    (Lent { body: Some(body), back: Arc::clone(&back) }, Leftover(back))
}

impl<B: Body + Unpin> Body for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body + Unpin> Drop for Lent<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Leftover<B> {
    /// Reads what is left, within bounds. False if the connection cannot be kept: there is more, or
    /// the client waits to be told to send it at all (`waits`).
    pub(crate) async fn read(self, env: &Env, waits: bool) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else {
            return true;
        };
        if waits || body.size_hint().lower() > BYTES_MAX {
            return false;
        }
        let all = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                read += match frame.map(Frame::into_data) {
                    Ok(Ok(data)) => data.len() as u64,
                    Ok(Err(_)) => 0,
                    Err(_) => return false,
                };
                if read > BYTES_MAX {
                    return false;
                }
            }
            true
        };
        matches!(env.timeout(TIME_MAX, all).await, Ok(true))
    }
}
