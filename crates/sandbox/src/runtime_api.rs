//! The Lambda Runtime API (2018-06-01) of one instance: its own listener, connections that stay open, no polling.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::answer::StreamError;
use crate::clock;
use crate::extensions;
use crate::http1::{BodyError, Connection, Head};
use crate::instance::{Instance, Phase, Refusal};
use crate::limits::{
    CONNECTIONS_MAX, ERROR_BYTES_MAX, FREEZE_AFTER, RESPONSE_BYTES_MAX, STREAM_BYTES_MAX,
};
use crate::process::Peers;

const RUNTIME: &str = "/2018-06-01/runtime/";
const EXTENSION: &str = "/2020-01-01/extension/";

/// Serves until the task is aborted or the listener fails.
pub(crate) async fn serve(listener: TcpListener, instance: Arc<Instance>, peers: Arc<Peers>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else { return };
                while tasks.try_join_next().is_some() {}
                if !peers.may_connect(peer, listener.local_addr().ok()) {
                    tracing::warn!(instance = instance.id, "a stranger asked for the runtime endpoint");
                    continue;
                }
                let _ = stream.set_nodelay(true);
                let instance = Arc::clone(&instance);
                tasks.spawn(async move {
                    let _permit = permit;
                    if let Err(error) = converse(stream, &instance).await {
                        tracing::debug!(instance = instance.id, %error, "runtime connection closed");
                    }
                });
            }
        }
    }
}

async fn converse(stream: TcpStream, instance: &Arc<Instance>) -> std::io::Result<()> {
    let mut connection = Connection::new(stream);
    while let Some(head) = connection.head().await? {
        let keep_alive = head.keep_alive;
        match call(&mut connection, &head, instance).await {
            Ok(()) => {}
            Err(BodyError::Broken(error)) => return Err(error),
            Err(BodyError::TooLarge) => {
                refuse(
                    &mut connection,
                    413,
                    "RequestEntityTooLarge",
                    "Exceeded maximum allowed payload size.",
                )
                .await?
            }
        }
        if !keep_alive {
            break;
        }
    }
    Ok(())
}

async fn call(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
) -> Result<(), BodyError> {
    let Some(path) = head.path.strip_prefix(RUNTIME) else {
        if let Some(path) = head.path.strip_prefix(EXTENSION) {
            return extension(connection, head, instance, path).await;
        }
        if matches!(head.path.as_str(), "/2022-07-01/telemetry" | "/2020-08-15/logs") {
            return telemetry(connection, head, instance).await;
        }
        connection.body(head, ERROR_BYTES_MAX).await?;
        return Ok(refuse(connection, 404, "InvalidRequest", "404 page not found").await?);
    };
    let path: Vec<&str> = path.split('/').collect();
    match (head.method.as_str(), path.as_slice()) {
        ("GET", ["invocation", "next"]) => next(connection, head, instance).await,
        ("POST", ["invocation", id, "response"]) => response(connection, head, instance, id).await,
        ("POST", ["invocation", id, "error"]) => error(connection, head, instance, id).await,
        ("POST", ["init", "error"]) => init_error(connection, head, instance).await,
        _ => {
            connection.body(head, ERROR_BYTES_MAX).await?;
            Ok(refuse(connection, 404, "InvalidRequest", "404 page not found").await?)
        }
    }
}

async fn next(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
) -> Result<(), BodyError> {
    connection.body(head, 1024).await?;
    let mut event = match instance.next() {
        Ok(event) => event,
        Err(refusal) => return Ok(refused(connection, &refusal).await?),
    };
    let mut freezes = instance.freezes();
    loop {
        tokio::select! {
            biased;
            event = &mut event => return match event {
                Ok(event) => Ok(connection.write(&event).await?),
                Err(_) => Err(BodyError::Broken(std::io::ErrorKind::ConnectionAborted.into())),
            },
            () = connection.hung_up() => {
                drop(event);
                instance.forget_waiting();
                return Err(BodyError::Broken(std::io::ErrorKind::ConnectionReset.into()));
            }
            () = clock::sleep(FREEZE_AFTER), if freezes => {
                instance.freeze();
                freezes = false;
            }
        }
    }
}

async fn response(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
    id: &str,
) -> Result<(), BodyError> {
    let content_type = head.header("content-type").map(str::to_owned);
    if head
        .header("lambda-runtime-function-response-mode")
        .is_some_and(|m| m.eq_ignore_ascii_case("streaming"))
    {
        return streaming(connection, head, instance, id, content_type).await;
    }
    let outcome = match connection.body(head, RESPONSE_BYTES_MAX).await {
        Ok(payload) => instance.respond(id, content_type, payload),
        Err(BodyError::TooLarge) => {
            let outcome = instance.respond_too_large(id);
            if outcome.is_ok() {
                return Err(BodyError::TooLarge);
            }
            outcome
        }
        Err(error) => return Err(error),
    };
    Ok(accepted(connection, outcome).await?)
}

async fn extension(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
    path: &str,
) -> Result<(), BodyError> {
    let body = connection.body(head, ERROR_BYTES_MAX).await?;
    let id = head.header("lambda-extension-identifier");
    let answer = match (head.method.as_str(), path) {
        ("POST", "register") => {
            let with_account = head
                .header("lambda-extension-accept-feature")
                .is_some_and(|features| features.contains("accountId"));
            instance.extensions.register(head.header("lambda-extension-name"), &body).map(|id| {
                let header = format!("Lambda-Extension-Identifier: {id}\r\n");
                ok(&header, &extensions::registered(&instance.function, with_account))
            })
        }
        ("GET", "event/next") => match instance.extensions.next(id) {
            Ok(event) => {
                instance.arrive();
                tokio::select! {
                    biased;
                    event = event => {
                        let Ok(event) = event else { return Err(std::io::Error::from(GONE).into()) };
                        let header = format!("Lambda-Extension-Event-Identifier: {}\r\n", extensions::identifier());
                        Ok(ok(&header, &event))
                    }
                    () = connection.hung_up() => return Err(std::io::Error::from(GONE).into()),
                }
            }
            Err(refused) => Err(refused),
        },
        ("POST", "init/error" | "exit/error") => instance.extensions.known(id).map(|name| {
            let kind =
                if path == "init/error" { "Extension.InitError" } else { "Extension.ExitError" };
            let own = head.header("lambda-extension-function-error-type").unwrap_or("unknown");
            instance.extension_failed(kind, &format!("extension {name} reported {own}"));
            ok("", "{\"status\":\"OK\"}").replacen("200 OK", "202 Accepted", 1)
        }),
        _ => Err((404, "InvalidRequest", "404 page not found".to_owned())),
    };
    match answer {
        Ok(answer) => Ok(connection.write(answer.as_bytes()).await?),
        Err((status, kind, message)) => Ok(refuse(connection, status, kind, &message).await?),
    }
}

const GONE: std::io::ErrorKind = std::io::ErrorKind::ConnectionReset;

fn ok(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// There is no telemetry stream: said in the words of AWS's own emulator, which extensions know to live with.
async fn telemetry(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
) -> Result<(), BodyError> {
    connection.body(head, ERROR_BYTES_MAX).await?;
    if let Err((status, kind, message)) =
        instance.extensions.known(head.header("lambda-extension-identifier"))
    {
        return Ok(refuse(connection, status, kind, &message).await?);
    }
    let (kind, message) = if head.path.ends_with("logs") {
        ("Logs.NotSupported", "Logs API is not supported")
    } else {
        ("Telemetry.NotSupported", "Telemetry API is not supported")
    };
    Ok(refuse(connection, 202, kind, message).await?)
}

/// Hands chunks on as they arrive. A reader that went away does not stop the function.
async fn streaming(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
    id: &str,
    content_type: Option<String>,
) -> Result<(), BodyError> {
    let chunks = match instance.stream(id, content_type) {
        Ok(chunks) => chunks,
        Err(refusal) => {
            connection.body(head, 1024).await.ok();
            return Ok(refused(connection, &refusal).await?);
        }
    };
    connection.continue_if_expected(head).await?;
    let mut reader = head.body();
    let mut total = 0_u64;
    let error = loop {
        match connection.chunk(&mut reader).await {
            Ok(Some(chunk)) => {
                total += chunk.len() as u64;
                if total <= STREAM_BYTES_MAX {
                    let _ = chunks.send(chunk).await;
                }
            }
            Ok(None) if total > STREAM_BYTES_MAX => {
                break Some(StreamError::too_large(
                    usize::try_from(STREAM_BYTES_MAX).unwrap_or(usize::MAX),
                ));
            }
            Ok(None) => break trailer_error(&reader.trailers),
            Err(error) => {
                // The process is probably gone; its exit ends the invocation.
                drop(chunks);
                return Err(BodyError::Broken(error));
            }
        }
    };
    instance.stream_done(id, error);
    drop(chunks);
    Ok(accepted(connection, Ok(())).await?)
}

/// The error that a runtime sends behind a streamed body.
fn trailer_error(trailers: &[(String, String)]) -> Option<StreamError> {
    let find =
        |name: &str| trailers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let kind = find("lambda-runtime-function-error-type")?;
    let body = find("lambda-runtime-function-error-body").unwrap_or_default();
    Some(StreamError {
        kind,
        payload: Bytes::from(decode_base64(&body).unwrap_or_else(|| body.into_bytes())),
    })
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

async fn error(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
    id: &str,
) -> Result<(), BodyError> {
    let kind = head.header("lambda-runtime-function-error-type").unwrap_or("Unhandled").to_owned();
    let payload = connection.body(head, ERROR_BYTES_MAX).await?;
    Ok(accepted(connection, instance.fail(id, &kind, payload)).await?)
}

async fn init_error(
    connection: &mut Connection,
    head: &Head,
    instance: &Arc<Instance>,
) -> Result<(), BodyError> {
    let payload = connection.body(head, ERROR_BYTES_MAX).await?;
    let kind = head.header("lambda-runtime-function-error-type").map(str::to_owned);
    let kind =
        kind.or_else(|| error_type(&payload)).unwrap_or_else(|| "Runtime.Unknown".to_owned());
    Ok(accepted(connection, instance.init_error(&kind, payload)).await?)
}

fn error_type(payload: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(payload).ok()?;
    value.get("errorType")?.as_str().map(str::to_owned)
}

async fn accepted(
    connection: &mut Connection,
    outcome: Result<(), Refusal>,
) -> std::io::Result<()> {
    match outcome {
        Ok(()) => connection.write(ACCEPTED).await,
        Err(refusal) => refused(connection, &refusal).await,
    }
}

const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

async fn refused(connection: &mut Connection, refusal: &Refusal) -> std::io::Result<()> {
    match refusal {
        Refusal::RequestId => {
            refuse(connection, 400, "InvalidRequestID", "Invalid request ID").await
        }
        Refusal::State(phase) => {
            let from = match phase {
                Phase::Starting => "RuntimeStarted",
                Phase::Idle => "Ready",
                Phase::Busy => "InvocationRunning",
                Phase::Settling => "InvocationResponseSent",
                Phase::Dead => "Exited",
            };
            let message =
                format!("State transition is not allowed: the runtime is in state {from}");
            refuse(connection, 403, "InvalidStateTransition", &message).await
        }
    }
}

async fn refuse(
    connection: &mut Connection,
    status: u16,
    kind: &str,
    message: &str,
) -> std::io::Result<()> {
    let reason = match status {
        202 => "Accepted",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Payload Too Large",
    };
    let body = json!({"errorMessage": message, "errorType": kind}).to_string();
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.write(text.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_carry_the_error_of_a_stream() {
        let trailers = vec![
            ("lambda-runtime-function-error-type".to_owned(), "Boom".to_owned()),
            ("lambda-runtime-function-error-body".to_owned(), "eyJhIjoxfQ==".to_owned()),
        ];
        let error = trailer_error(&trailers).unwrap();
        assert_eq!(
            (error.kind.as_str(), error.payload.as_ref()),
            ("Boom", br#"{"a":1}"#.as_slice())
        );
        assert!(trailer_error(&[]).is_none());
    }
}
