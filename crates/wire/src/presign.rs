//! What presigned URLs add to a signature: a term.

use undercast_kernel::ServiceError;
use undercast_smithy::Timestamp;

use crate::sigv4::Signature;

/// The longest term of a presigned URL: seven days.
pub const EXPIRES_S_MAX: i64 = 7 * 24 * 3600;

/// Refuses a presigned URL whose term is over. Times are in any of the clocks that are known.
pub(crate) fn has_expired(signature: &Signature<'_>, now_ms: &[i64]) -> Result<(), ServiceError> {
    if let Some(end_s) = signature.expires_at_s {
        return within(end_s.saturating_mul(1000), None, now_ms);
    }
    let malformed = |message: &str| {
        Err(ServiceError::new("AuthorizationQueryParametersError", message).with_status(400))
    };
    let Some(expires_s) = signature.expires_s else {
        // Other services' presigned calls carry no term; the skew of the clock is theirs.
        return if signature.service == "s3" {
            malformed("X-Amz-Expires should be a number")
        } else {
            Ok(())
        };
    };
    if expires_s < 0 {
        return malformed("X-Amz-Expires must be non-negative");
    }
    if expires_s > EXPIRES_S_MAX {
        return malformed("X-Amz-Expires must be less than a week (in seconds) that is 604800");
    }
    let Some(signed_ms) = signature.signed_ms() else {
        return malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    };
    within(signed_ms.saturating_add(expires_s * 1000), Some(expires_s), now_ms)
}

fn within(end_ms: i64, term_s: Option<i64>, now_ms: &[i64]) -> Result<(), ServiceError> {
    if now_ms.iter().any(|now| *now < end_ms) {
        return Ok(());
    }
    let iso = |ms| Timestamp::from_millis(ms).iso8601();
    let now = now_ms.first().copied().unwrap_or_default();
    let mut error = ServiceError::new("AccessDenied", "Request has expired").with_status(403);
    if let Some(term_s) = term_s {
        error = error.with_field("X-Amz-Expires", term_s.to_string());
    }
    Err(error.with_field("Expires", iso(end_ms)).with_field("ServerTime", iso(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::query::parse_pairs;
    use crate::sigv4::{Found, find};

    fn check(expires: &str, now_ms: &[i64]) -> Result<(), String> {
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20261124%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20261124T080000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=x"
        );
        let pairs = parse_pairs(&query).unwrap();
        let headers = http::HeaderMap::new();
        let Found::Signed(signature) = find(&headers, &pairs) else { panic!("not found") };
        has_expired(&signature, now_ms).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_is_good_until_its_term_by_any_clock() {
        let signed = 1_795_507_200_000;
        assert_eq!(check("60", &[signed + 59_999]), Ok(()));
        assert!(check("60", &[signed + 60_000]).unwrap_err().contains("Request has expired"));
        assert_eq!(check("60", &[signed + 86_400_000, signed + 1]), Ok(()));
        assert!(check("604801", &[signed]).unwrap_err().contains("604800"));
        assert!(check("x", &[signed]).unwrap_err().contains("should be a number"));
    }
}
