//! `GetIdentityVerificationAttributes`: whether identities are verified.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::GetIdentityVerificationAttributes;
use crate::api::ses::shapes::{
    GetIdentityVerificationAttributesInput, GetIdentityVerificationAttributesOutput,
    IdentityVerificationAttributes,
};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::IDENTITIES;
use std::collections::BTreeMap;

impl Handler<GetIdentityVerificationAttributes> for Ses {
    fn authorize(&self, _: &Context, _: &GetIdentityVerificationAttributesInput) -> Vec<Access> {
        engine::access_all("GetIdentityVerificationAttributes")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetIdentityVerificationAttributesInput,
    ) -> Result<GetIdentityVerificationAttributesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut verification_attributes = BTreeMap::new();
            for name in &input.identities {
                if let Some(row) = IDENTITIES.get(&tx, &engine::key(&ctx, name)).await? {
                    let attributes = IdentityVerificationAttributes {
                        verification_status: "Success".to_owned(),
                        verification_token: engine::is_domain(name).then_some(row.token),
                    };
                    verification_attributes.insert(name.clone(), attributes);
                }
            }
            Ok(GetIdentityVerificationAttributesOutput { verification_attributes })
        })
        .await
    }
}
