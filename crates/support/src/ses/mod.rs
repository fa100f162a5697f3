//! Simple Email Service, both versions over one mailbox: nothing leaves the machine. What was sent is read at
//! `/_aws/ses` ([`mailbox`]).

mod engine;
mod mailbox;
mod resources;
mod store;
mod v1;
mod v2;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service, ServiceError};
use undercast_smithy::validate::message;

use crate::api::ses::{SERVICE as V1, operations as v1_op};
use crate::api::sesv2::{SERVICE as V2, operations as v2_op};

/// Both services. All their state is in the store.
#[derive(Debug)]
pub struct Ses;

pub(crate) fn services(_: &Kernel) -> [Service; 2] {
    let ses = &Arc::new(Ses);
    let first = Service::new(&V1)
        .refuse(|violations| ServiceError::new("ValidationError", message(violations)))
        .route::<v1_op::CreateTemplate>(ses)
        .route::<v1_op::DeleteIdentity>(ses)
        .route::<v1_op::DeleteTemplate>(ses)
        .route::<v1_op::GetIdentityVerificationAttributes>(ses)
        .route::<v1_op::GetSendQuota>(ses)
        .route::<v1_op::GetSendStatistics>(ses)
        .route::<v1_op::GetTemplate>(ses)
        .route::<v1_op::ListIdentities>(ses)
        .route::<v1_op::ListTemplates>(ses)
        .route::<v1_op::SendEmail>(ses)
        .route::<v1_op::SendRawEmail>(ses)
        .route::<v1_op::SendTemplatedEmail>(ses)
        .route::<v1_op::UpdateTemplate>(ses)
        .route::<v1_op::VerifyDomainIdentity>(ses)
        .route::<v1_op::VerifyEmailIdentity>(ses)
        .endpoint(Arc::new(mailbox::Mailbox));
    let second = Service::new(&V2)
        .refuse(|violations| ServiceError::new("BadRequestException", message(violations)))
        .route::<v2_op::CreateEmailIdentity>(ses)
        .route::<v2_op::CreateEmailTemplate>(ses)
        .route::<v2_op::DeleteEmailIdentity>(ses)
        .route::<v2_op::DeleteEmailTemplate>(ses)
        .route::<v2_op::GetAccount>(ses)
        .route::<v2_op::GetEmailIdentity>(ses)
        .route::<v2_op::GetEmailTemplate>(ses)
        .route::<v2_op::ListEmailIdentities>(ses)
        .route::<v2_op::ListEmailTemplates>(ses)
        .route::<v2_op::SendEmail>(ses)
        .route::<v2_op::UpdateEmailTemplate>(ses)
        .resource(resources::IdentityType)
        .resource(resources::TemplateType);
    [first, second]
}
