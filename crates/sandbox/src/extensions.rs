//! The Extensions API (2020-01-01): who has registered, who still works on an event.
//!
//! The runtime starts when every external extension has registered. The init phase is over, and an invocation is,
//! when the runtime and every extension have asked for their next event.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use crate::function::{Function, Invocation};

#[derive(Default)]
pub(crate) struct Extensions {
    inner: Mutex<Inner>,
    /// Somebody registered, asked, or ended.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// External ones that the launcher has started.
    started: usize,
    /// External ones that have ended.
    ended: usize,
    all: Vec<Extension>,
    closed: bool,
    shutdown_reason: Option<&'static str>,
}

struct Extension {
    id: String,
    name: String,
    on_invoke: bool,
    on_shutdown: bool,
    /// Asks for an event.
    asks: bool,
    waiting: Option<oneshot::Sender<String>>,
    pending: Option<String>,
}

/// Why a call is refused: status, error type, message.
pub(crate) type Refused = (u16, &'static str, String);

impl Extensions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, count: usize) {
        self.lock().started = count;
        self.changed.notify_waiters();
    }

    pub(crate) fn ended(&self) {
        self.lock().ended += 1;
        self.changed.notify_waiters();
    }

    /// Every external extension has registered: the runtime may start.
    pub(crate) fn complete(&self) -> bool {
        let inner = self.lock();
        inner.all.len() >= inner.started
    }

    /// Every extension waits for an event.
    pub(crate) fn quiet(&self) -> bool {
        let inner = self.lock();
        inner.all.len() >= inner.started && inner.all.iter().all(|extension| extension.asks)
    }

    /// The init phase is over: nobody registers any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Registers; answers with the identifier.
    pub(crate) fn register(&self, name: Option<&str>, body: &[u8]) -> Result<String, Refused> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err((403, "Extension.InvalidExtensionName", "Empty extension name".to_owned()));
        };
        let wanted: Value = serde_json::from_slice(body)
            .map_err(|_| (400, "InvalidRequestFormat", "the body is not JSON".to_owned()))?;
        let events: Vec<&str> = wanted
            .get("events")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(unknown) = events.iter().find(|event| !matches!(**event, "INVOKE" | "SHUTDOWN"))
        {
            return Err((
                403,
                "Extension.InvalidEventType",
                format!("{unknown}: event is not supported"),
            ));
        }
        let mut inner = self.lock();
        if inner.closed {
            return Err((
                403,
                "Extension.RegistrationClosed",
                "Extension registration closed already".to_owned(),
            ));
        }
        if inner.all.iter().any(|extension| extension.name == name) {
            return Err((
                403,
                "Extension.AlreadyRegistered",
                "Extension with this name already registered".to_owned(),
            ));
        }
        let id = identifier();
        inner.all.push(Extension {
            id: id.clone(),
            name: name.to_owned(),
            on_invoke: events.contains(&"INVOKE"),
            on_shutdown: events.contains(&"SHUTDOWN"),
            asks: false,
            waiting: None,
            pending: None,
        });
        drop(inner);
        self.changed.notify_waiters();
        Ok(id)
    }

    fn check<'a>(inner: &'a mut Inner, id: Option<&str>) -> Result<&'a mut Extension, Refused> {
        let Some(id) = id else {
            let message = "Missing Lambda-Extension-Identifier header".to_owned();
            return Err((403, "Extension.MissingExtensionIdentifier", message));
        };
        inner.all.iter_mut().find(|extension| extension.id == id).ok_or_else(|| {
            (403, "Extension.UnknownExtensionIdentifier", format!("Unknown extension {id}"))
        })
    }

    pub(crate) fn known(&self, id: Option<&str>) -> Result<String, Refused> {
        Self::check(&mut self.lock(), id).map(|extension| extension.name.clone())
    }

    /// An extension asks for its next event.
    pub(crate) fn next(&self, id: Option<&str>) -> Result<oneshot::Receiver<String>, Refused> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        let extension = Self::check(&mut inner, id)?;
        match extension.pending.take() {
            Some(event) => {
                let _ = sender.send(event);
            }
            None => {
                extension.asks = true;
                extension.waiting = Some(sender);
            }
        }
        drop(inner);
        self.changed.notify_waiters();
        Ok(receiver)
    }

    /// Tells who wants to know that an invocation begins.
    pub(crate) fn invoke(&self, invocation: &Invocation, deadline_ms: u64) {
        let mut inner = self.lock();
        inner.closed = true;
        if inner.all.is_empty() {
            return;
        }
        let event = json!({
            "eventType": "INVOKE", "deadlineMs": deadline_ms, "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.invoked_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
        })
        .to_string();
        for extension in inner.all.iter_mut().filter(|extension| extension.on_invoke) {
            extension.deliver(event.clone());
        }
    }

    /// Why the instance will end, if not because it was idle.
    pub(crate) fn ends_by(&self, reason: &'static str) {
        self.lock().shutdown_reason.get_or_insert(reason);
    }

    /// Tells who wants to know that the instance ends; false if nobody does.
    pub(crate) fn shutdown(&self, deadline_ms: u64) -> bool {
        let mut inner = self.lock();
        let reason = inner.shutdown_reason.unwrap_or("spindown");
        let event =
            json!({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms})
                .to_string();
        let mut any = false;
        for extension in inner.all.iter_mut().filter(|extension| extension.on_shutdown) {
            extension.deliver(event.clone());
            any = true;
        }
        any
    }

    /// Every external extension has ended.
    pub(crate) fn all_ended(&self) -> bool {
        let inner = self.lock();
        inner.ended >= inner.started
    }
}

impl Extension {
    fn deliver(&mut self, event: String) {
        self.asks = false;
        // Kept for the next call when nobody waits, or when who waited has gone.
        self.pending = match self.waiting.take() {
            Some(waiting) => waiting.send(event).err(),
            None => Some(event),
        };
    }
}

/// What a registration is answered with.
pub(crate) fn registered(function: &Function, with_account: bool) -> String {
    let mut body = json!({
        "functionName": function.name, "functionVersion": function.version, "handler": function.handler,
    });
    if let (true, Some(fields)) = (with_account, body.as_object_mut()) {
        fields.insert("accountId".into(), function.account.clone().into());
    }
    body.to_string()
}

/// A random UUID.
pub(crate) fn identifier() -> String {
    let mut id = [0_u8; 16];
    let _ = rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut id);
    let hex = hex::encode(id);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_is_checked() {
        let extensions = Extensions::default();
        assert_eq!(extensions.register(None, b"{}").unwrap_err().0, 403);
        assert_eq!(extensions.register(Some("a"), b"?").unwrap_err().0, 400);
        assert_eq!(
            extensions.register(Some("a"), br#"{"events":["X"]}"#).unwrap_err().1,
            "Extension.InvalidEventType"
        );
        let id = extensions.register(Some("a"), br#"{"events":["INVOKE"]}"#).unwrap();
        assert_eq!(id.len(), 36);
        assert!(extensions.register(Some("a"), b"{}").is_err());
        assert!(extensions.next(Some("nobody")).is_err() && extensions.next(None).is_err());
        extensions.close();
        assert_eq!(
            extensions.register(Some("b"), b"{}").unwrap_err().1,
            "Extension.RegistrationClosed"
        );
    }

    #[tokio::test]
    async fn an_event_makes_an_extension_busy_until_it_asks_again() {
        let extensions = Extensions::default();
        extensions.started(1);
        assert!(!extensions.complete());
        let id = extensions.register(Some("a"), br#"{"events":["INVOKE"]}"#).unwrap();
        assert!(extensions.complete() && !extensions.quiet());
        let event = extensions.next(Some(&id)).unwrap();
        assert!(extensions.quiet());
        extensions.invoke(&Invocation { request_id: "r".into(), ..Invocation::default() }, 7);
        assert!(!extensions.quiet());
        assert!(event.await.unwrap().contains("\"requestId\":\"r\""));
        let _event = extensions.next(Some(&id)).unwrap();
        assert!(extensions.quiet());
        assert!(!extensions.shutdown(7));
    }
}
