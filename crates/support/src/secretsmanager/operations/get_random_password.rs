//! `GetRandomPassword`: a random password.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::secretsmanager::operations::GetRandomPassword;
use crate::api::secretsmanager::shapes::{GetRandomPasswordInput, GetRandomPasswordOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::password::{Wanted, make};

impl Handler<GetRandomPassword> for SecretsManager {
    fn authorize(&self, _: &Context, _: &GetRandomPasswordInput) -> Vec<Access> {
        vec![Access::new("secretsmanager:GetRandomPassword", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRandomPasswordInput,
    ) -> Result<GetRandomPasswordOutput, ServiceError> {
        let wanted = Wanted {
            length: input.password_length,
            exclude: input.exclude_characters.as_deref().unwrap_or_default(),
            no_numbers: input.exclude_numbers.unwrap_or(false),
            no_punctuation: input.exclude_punctuation.unwrap_or(false),
            no_uppercase: input.exclude_uppercase.unwrap_or(false),
            no_lowercase: input.exclude_lowercase.unwrap_or(false),
            space: input.include_space.unwrap_or(false),
            require_each: input.require_each_included_type,
        };
        let password = make(&*ctx.env().ids, &wanted)?;
        Ok(GetRandomPasswordOutput { random_password: Some(password) })
    }
}
