//! Requests of the gateway's own: to an HTTP integration, to the issuer of tokens. What one of our front
//! doors serves never leaves the process.

use std::sync::Arc;

use undercast_kernel::http::{HttpEndpoint, Request, Response, Signed};
use undercast_kernel::{Kernel, Lane, OutsideAction, Side};
use undercast_smithy::Body;

/// Names below these are the cloud's own, whatever DNS says.
const OWN_SUFFIXES: &[&str] = &[".amazonaws.com", ".on.aws", ".amazoncognito.com"];

/// A request without anything in it.
pub(crate) fn blank(method: &str) -> Request {
    Request {
        method: method.to_owned(),
        scheme: "http",
        host: String::new(),
        path: "/".to_owned(),
        query: String::new(),
        protocol: "HTTP/1.1",
        headers: Vec::new(),
        body: Body::default(),
        source_ip: String::new(),
        side: None,
        caller: Signed::No,
        stand_in: None,
    }
}

/// Scheme, host with port, path and query of an absolute URL.
fn parts(url: &str) -> Option<(&'static str, &str, &str, &str)> {
    let (scheme, rest) = match url.split_once("://")? {
        ("http", rest) => ("http", rest),
        ("https", rest) => ("https", rest),
        _ => return None,
    };
    let rest = rest.split('#').next()?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_plain = !host.is_empty() && !host.contains(['@', ' ', '{', '}']);
    is_plain.then_some((scheme, host, if path.is_empty() { "/" } else { path }, query))
}

/// Whether something can be asked there at all.
pub(crate) fn is_url(url: &str) -> bool {
    parts(url).is_some()
}

/// Sends what `request` holds to `url`; on `side` where the request came from one. The error says why
/// there is no answer.
pub(crate) async fn send(
    kernel: &Kernel,
    url: &str,
    mut request: Request,
    side: Option<&Arc<Side>>,
) -> Result<Response, String> {
    let (scheme, host, path, query) = parts(url).ok_or("the address is not a URL")?;
    request.scheme = scheme;
    request.host = host.to_owned();
    request.path = path.to_owned();
    request.query = query.to_owned();
    request.side = side.cloned();
    if let Some(door) = own_door(kernel, &request) {
        request.headers.retain(|(name, _)| name != "host");
        return Ok(door.serve(kernel.clone(), request).await);
    }
    if let Some(side) = side.filter(|side| *side.lane() != Lane::Live) {
        let name = request.host_name().to_ascii_lowercase();
        match side.outside(&name) {
            OutsideAction::Allow => {}
            OutsideAction::Answer { status, headers, body } => {
                return Ok(Response { status, headers, body: Body::from_bytes(body) });
            }
            // What the gateway itself asks outside does not pass the relay that remembers answers.
            OutsideAction::Refuse | OutsideAction::Repeat => {
                side.note_refused(&name);
                return Err(format!("{name} is outside of the cloud"));
            }
        }
    }
    let port = kernel.fetch().map_err(|error| error.to_string())?;
    port.fetch(url.to_owned(), request).await
}

/// The front door that serves the host.
fn own_door<'a>(kernel: &'a Kernel, request: &Request) -> Option<&'a Arc<dyn HttpEndpoint>> {
    let name = request.host_name().to_ascii_lowercase();
    let mut outline = blank(&request.method);
    outline.host.clone_from(&request.host);
    let settings = kernel.settings();
    let own = [&settings.public_url, &settings.callback_url];
    let is_own = OWN_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || own.iter().any(|url| parts(url).is_some_and(|(_, host, ..)| host == request.host));
    // Elsewhere a path says nothing about whose it is.
    if is_own {
        outline.path.clone_from(&request.path);
    }
    let is_dark = request.side.as_ref().is_some_and(|side| *side.lane() != Lane::Live);
    let mut doors = kernel.endpoints().filter(|door| !door.yields());
    doors.find(|door| door.matches(&outline) && (!is_dark || door.has_dark_side()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(parts("http://a:1/b/c?d=e#f"), Some(("http", "a:1", "/b/c", "d=e")));
        assert_eq!(parts("https://a"), Some(("https", "a", "/", "")));
        assert_eq!(parts("https://a?b"), Some(("https", "a", "/", "b")));
        for url in ["ftp://a", "a/b", "http://", "http://u@a", "http://{x}/a"] {
            assert_eq!(parts(url), None, "{url}");
        }
    }
}
