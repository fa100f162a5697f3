//! `LabelParameterVersion`: gives a version labels.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, no_version, not_found};
use crate::api::ssm::operations::LabelParameterVersion;
use crate::api::ssm::shapes::{LabelParameterVersionInput, LabelParameterVersionOutput};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, VERSIONS};

impl Handler<LabelParameterVersion> for Ssm {
    fn authorize(&self, ctx: &Context, input: &LabelParameterVersionInput) -> Vec<Access> {
        access(ctx, "LabelParameterVersion", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: LabelParameterVersionInput,
    ) -> Result<LabelParameterVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = key(&ctx, &input.name);
            let parameter =
                PARAMETERS.get(&tx, &key).await?.ok_or_else(|| not_found(&input.name))?;
            let place = |version| (key.0.clone(), key.1.clone(), key.2.clone(), version);
            let version = input.parameter_version.unwrap_or(parameter.version);
            let row = VERSIONS.get(&tx, &place(version)).await?;
            let mut row = row.ok_or_else(|| no_version(&input.name, &version.to_string()))?;
            let (labels, invalid): (Vec<String>, Vec<String>) =
                input.labels.iter().cloned().partition(|label| is_label(label));
            row.labels.extend(labels.iter().cloned());
            if row.labels.len() > LABELS_MAX {
                return Err(ServiceError::new(
                    "ParameterVersionLabelLimitExceeded",
                    format!("A parameter version can have a maximum of {LABELS_MAX} labels."),
                ));
            }
            // A label is on one version alone.
            for (old, mut holder) in VERSIONS.scan(&tx, VERSIONS.prefix(&key), 200, false).await? {
                let count = holder.labels.len();
                holder.labels.retain(|label| !labels.contains(label));
                if old.3 != version && holder.labels.len() < count {
                    VERSIONS.put(&tx, &old, &holder)?;
                }
            }
            VERSIONS.put(&tx, &place(version), &row)?;
            Ok(LabelParameterVersionOutput {
                invalid_labels: Some(invalid),
                parameter_version: Some(version),
            })
        })
        .await
    }
}

const LABELS_MAX: usize = 10;

/// Letters, digits and `._-`, not beginning with a digit nor with what AWS keeps to itself.
fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    label.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}
