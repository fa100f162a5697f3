//! Cross-origin answers by the configuration of a function URL.

use undercast_kernel::http::Response;

use crate::store::CorsRow;

fn is_allowed(cors: &CorsRow, origin: &str) -> bool {
    cors.origins.iter().flatten().any(|pattern| match pattern.split_once('*') {
        Some((before, after)) => origin.starts_with(before) && origin.ends_with(after),
        None => pattern.eq_ignore_ascii_case(origin),
    })
}

/// The answer to a preflight request; no function is asked.
pub(super) fn preflight(cors: &CorsRow, origin: &str) -> Response {
    let mut response = Response::new(200);
    if !is_allowed(cors, origin) {
        return response;
    }
    response = common(response, cors, origin);
    for (header, values) in [
        ("access-control-allow-methods", &cors.methods),
        ("access-control-allow-headers", &cors.headers),
    ] {
        if let Some(values) = values {
            response = response.header(header, values.join(","));
        }
    }
    match cors.max_age_s {
        Some(seconds) => response.header("access-control-max-age", seconds.to_string()),
        None => response,
    }
}

/// What the configuration says replaces what the function said.
pub(super) fn decorate(mut response: Response, cors: &CorsRow, origin: &str) -> Response {
    response.headers.retain(|(name, _)| !name.starts_with("access-control-"));
    if !is_allowed(cors, origin) {
        return response;
    }
    let response = common(response, cors, origin);
    match &cors.exposed {
        Some(exposed) => response.header("access-control-expose-headers", exposed.join(",")),
        None => response,
    }
}

fn common(response: Response, cors: &CorsRow, origin: &str) -> Response {
    let response = response.header("access-control-allow-origin", origin).header("vary", "Origin");
    match cors.credentials {
        Some(true) => response.header("access-control-allow-credentials", "true"),
        _ => response,
    }
}
