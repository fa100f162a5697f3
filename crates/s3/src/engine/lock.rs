//! Object Lock: versions that must not go yet.

use undercast_kernel::ServiceError;
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::bucket::{OBJECT_LOCK, config};
use crate::api::s3::shapes::{ObjectLockConfiguration, ObjectLockRetention};
use crate::error::{access_denied, argument, invalid, malformed_xml};
use crate::store::{BucketRow, Lock, ObjectRow, Retention};

const DAY_MS: i64 = 86_400_000;

pub(crate) fn require(bucket: &BucketRow) -> Result<(), ServiceError> {
    match bucket.has_lock {
        true => Ok(()),
        false => Err(invalid("Bucket is missing Object Lock Configuration")),
    }
}

/// Whether a version must stay. Who may bypass governance is asked before.
pub(crate) fn holds(row: &ObjectRow, now_ms: i64, bypasses: bool) -> bool {
    let lock = &row.lock;
    let retained = lock.retention.as_ref().is_some_and(|retention| {
        retention.until_ms > now_ms && (retention.is_compliance || !bypasses)
    });
    lock.is_held || retained
}

pub(crate) fn check(row: &ObjectRow, now_ms: i64, bypasses: bool) -> Result<(), ServiceError> {
    match holds(row, now_ms, bypasses) {
        false => Ok(()),
        true => Err(ServiceError::new(
            "AccessDenied",
            "Access Denied because object protected by object lock.",
        )
        .with_status(403)),
    }
}

fn mode(mode: &str) -> Result<bool, ServiceError> {
    match mode {
        "COMPLIANCE" => Ok(true),
        "GOVERNANCE" => Ok(false),
        other => Err(argument("x-amz-object-lock-mode", other, "Unknown wormMode directive.")),
    }
}

fn held(status: &str) -> Result<bool, ServiceError> {
    match status {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        other => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            Err(argument("x-amz-object-lock-legal-hold", other, message))
        }
    }
}

/// A date that is still to come.
fn future(until: Timestamp, now_ms: i64) -> Result<i64, ServiceError> {
    match until.millis() > now_ms {
        true => Ok(until.millis()),
        false => Err(argument(
            "x-amz-object-lock-retain-until-date",
            &until.iso8601_millis(),
            "The retain until date must be in the future!",
        )),
    }
}

/// What the headers of a new object ask for.
pub(crate) fn asked(
    asked_mode: Option<&String>,
    until: Option<Timestamp>,
    hold: Option<&String>,
    now_ms: i64,
) -> Result<Lock, ServiceError> {
    let retention = match (asked_mode, until) {
        (None, None) => None,
        (Some(asked), Some(until)) => {
            Some(Retention { is_compliance: mode(asked)?, until_ms: future(until, now_ms)? })
        }
        _ => {
            return Err(invalid(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ));
        }
    };
    let is_held = hold.map(|status| held(status)).transpose()?.unwrap_or_default();
    Ok(Lock { retention, is_held })
}

/// The lock of a new version: as asked for, else as the bucket's rule says.
pub(crate) async fn of_new(tx: &Tx, bucket: &BucketRow, asked: Lock) -> Result<Lock, ServiceError> {
    if !bucket.has_lock {
        if asked != Lock::default() {
            require(bucket)?;
        }
        return Ok(asked);
    }
    if asked.retention.is_some() {
        return Ok(asked);
    }
    let rules: Option<ObjectLockConfiguration> = config(tx, bucket, OBJECT_LOCK).await?;
    let default = rules.and_then(|rules| rules.rule).and_then(|rule| rule.default_retention);
    let Some(default) = default else {
        return Ok(asked);
    };
    let days = match (default.days, default.years) {
        (Some(days), _) => i64::from(days),
        (None, years) => i64::from(years.unwrap_or_default()).saturating_mul(365),
    };
    let until_ms = tx.now_ms().saturating_add(days.saturating_mul(DAY_MS));
    let is_compliance = mode(default.mode.as_deref().unwrap_or_default())?;
    Ok(Lock { retention: Some(Retention { is_compliance, until_ms }), ..asked })
}

/// A retention that takes the place of another: longer always, shorter only for who may.
pub(crate) fn retain(
    row: &mut ObjectRow,
    wanted: &ObjectLockRetention,
    now_ms: i64,
    bypasses: bool,
) -> Result<(), ServiceError> {
    let new = match (&wanted.mode, wanted.retain_until_date) {
        (None, None) => None,
        (Some(asked), Some(until)) => {
            Some(Retention { is_compliance: mode(asked)?, until_ms: future(until, now_ms)? })
        }
        _ => return Err(malformed_xml()),
    };
    if let Some(old) = row.lock.retention.as_ref().filter(|old| old.until_ms > now_ms) {
        let is_longer = new.as_ref().is_some_and(|new| {
            new.until_ms >= old.until_ms && (new.is_compliance || !old.is_compliance)
        });
        if !is_longer && (old.is_compliance || !bypasses) {
            return Err(access_denied());
        }
    }
    row.lock.retention = new;
    Ok(())
}

pub(crate) fn hold(row: &mut ObjectRow, status: Option<&String>) -> Result<(), ServiceError> {
    row.lock.is_held = held(status.ok_or_else(malformed_xml)?)?;
    Ok(())
}

pub(crate) fn mode_name(retention: &Retention) -> String {
    if retention.is_compliance { "COMPLIANCE" } else { "GOVERNANCE" }.to_owned()
}
