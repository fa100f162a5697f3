//! The operations of the first version, one file for each.

mod create_template;
mod delete_identity;
mod delete_template;
mod get_identity_verification_attributes;
mod get_send_quota;
mod get_send_statistics;
mod get_template;
mod list_identities;
mod list_templates;
mod send_email;
mod send_raw_email;
mod send_templated_email;
mod update_template;
mod verify_domain_identity;
mod verify_email_identity;

use undercast_kernel::ServiceError;

use crate::api::ses::shapes::Destination;
use crate::ses::engine;
use crate::ses::store::MessageRow;

/// A message without what is in it.
fn envelope(
    source: &str,
    to: &Destination,
    reply_to: Option<&Vec<String>>,
    configuration_set: Option<&String>,
) -> Result<MessageRow, ServiceError> {
    engine::no_configuration_set(configuration_set, "ConfigurationSetDoesNotExistException")?;
    Ok(MessageRow {
        source: source.to_owned(),
        to: to.to_addresses.clone().unwrap_or_default(),
        cc: to.cc_addresses.clone().unwrap_or_default(),
        bcc: to.bcc_addresses.clone().unwrap_or_default(),
        reply_to: reply_to.cloned().unwrap_or_default(),
        ..MessageRow::default()
    })
}

fn no_template(name: &str) -> ServiceError {
    ServiceError::new("TemplateDoesNotExistException", format!("Template {name} does not exist."))
}
