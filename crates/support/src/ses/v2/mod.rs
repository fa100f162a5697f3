//! The operations of the second version, one file for each.

mod create_email_identity;
mod create_email_template;
mod delete_email_identity;
mod delete_email_template;
mod get_account;
mod get_email_identity;
mod get_email_template;
mod list_email_identities;
mod list_email_templates;
mod send_email;
mod update_email_template;

use undercast_kernel::ServiceError;
use undercast_store::Tx;

use super::engine;
use super::store::{IdentityRow, TemplateRow};
use crate::api::sesv2::shapes::{DkimAttributes, EmailTemplateContent};

fn invalid(message: &str) -> ServiceError {
    ServiceError::new("BadRequestException", message)
}

fn no_template(name: &str) -> ServiceError {
    ServiceError::new("NotFoundException", format!("Template {name} does not exist."))
}

fn no_identity(name: &str) -> ServiceError {
    ServiceError::new("NotFoundException", format!("Email identity {name} does not exist."))
}

fn kind(identity: &str) -> String {
    if engine::is_domain(identity) { "DOMAIN" } else { "EMAIL_ADDRESS" }.to_owned()
}

/// What would stand in the DNS of a domain; nothing is signed.
fn dkim(identity: &str, row: &IdentityRow) -> DkimAttributes {
    let is_domain = engine::is_domain(identity);
    DkimAttributes {
        signing_enabled: Some(is_domain),
        status: Some(if is_domain { "SUCCESS" } else { "NOT_STARTED" }.to_owned()),
        tokens: is_domain.then(|| (1..=3).map(|n| format!("{}{n}", row.token)).collect()),
        ..DkimAttributes::default()
    }
}

fn row(tx: &Tx, content: &EmailTemplateContent) -> TemplateRow {
    TemplateRow {
        created_ms: tx.now_ms(),
        subject: content.subject.clone(),
        text: content.text.clone(),
        html: content.html.clone(),
    }
}
