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

fn no_template(name: &str) -> ServiceError {
    ServiceError::new("TemplateDoesNotExistException", format!("Template {name} does not exist."))
}
