//! `GenerateRandom`: random bytes.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{invalid, no_recipient};
use crate::api::kms::operations::GenerateRandom;
use crate::api::kms::shapes::{GenerateRandomInput, GenerateRandomOutput};
use crate::kms::Kms;
use crate::kms::crypto;

impl Handler<GenerateRandom> for Kms {
    fn authorize(&self, _: &Context, _: &GenerateRandomInput) -> Vec<Access> {
        vec![Access::new("kms:GenerateRandom", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateRandomInput,
    ) -> Result<GenerateRandomOutput, ServiceError> {
        no_recipient(input.recipient.is_some())?;
        if input.custom_key_store_id.is_some() {
            return Err(ServiceError::unsupported("a custom key store"));
        }
        let count = input.number_of_bytes.and_then(|n| usize::try_from(n).ok());
        let count = count.ok_or_else(|| invalid("Please specify the number of bytes."))?;
        let bytes = crypto::random(&*ctx.env().ids, count);
        Ok(GenerateRandomOutput {
            plaintext: Some(bytes.into()),
            ..GenerateRandomOutput::default()
        })
    }
}
