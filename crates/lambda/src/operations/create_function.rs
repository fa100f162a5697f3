//! `CreateFunction`: makes a function.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::CreateFunction;
use crate::api::lambda::shapes::{CreateFunctionInput, FunctionConfiguration};
use crate::code;
use crate::describe;
use crate::error::{conflict, invalid};
use crate::layers;
use crate::limits::{NAME_CHARS_MAX, TAGS_MAX};
use crate::name::{FunctionName, LATEST};
use crate::settings::{self, Sealing};
use crate::store::{ConfigRow, FUNCTIONS, FunctionRow};

impl Handler<CreateFunction> for Lambda {
    fn authorize(&self, ctx: &Context, input: &CreateFunctionInput) -> Vec<Access> {
        let mut all = super::access(ctx, "CreateFunction", &input.function_name, None);
        all.extend(layers::accesses(input.layers.as_deref()));
        all
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateFunctionInput,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        check_name(&name)?;
        code::check_size(input.code.zip_file.as_ref().map(|blob| &blob.0), "CreateFunction")?;
        let sealing = Sealing { vault: &ctx.kernel().settings().vault, ids: &*ctx.env().ids };
        let mut settings = settings::create(&input, &name.name, sealing)?;
        settings.layers = layers::used(&ctx, input.layers.as_deref().unwrap_or_default()).await?;
        let tags = input.tags.clone().unwrap_or_default();
        if tags.len() > TAGS_MAX {
            return Err(invalid("The number of tags exceeds the limit of 50."));
        }
        // Before the code is fetched: the common mistake should be cheap.
        if FUNCTIONS.read(ctx.store(), &name.key()).await?.is_some() {
            return Err(exists(&name));
        }
        let code = self.functions.code.receive(&ctx, (&input.code).into()).await?;
        let publish = input.publish.unwrap_or_default();
        let input = (name, settings, code, tags);
        ctx.transact(input, move |tx, ctx, input| async move {
            let (name, settings, code, tags) = &*input;
            if FUNCTIONS.get(&tx, &name.key()).await?.is_some() {
                return Err(exists(name));
            }
            let mut row = FunctionRow {
                created_ms: tx.now_ms(),
                tags: tags.clone(),
                reserved: None,
                next_version: 1,
                latest: ConfigRow {
                    build: tx.ids().hex(16),
                    revision: tx.ids().uuid(),
                    modified_ms: tx.now_ms(),
                    code: code.clone(),
                    settings: settings.clone(),
                },
            };
            code::check_together(&row.latest)?;
            code::link(&tx, &name.key(), LATEST, None, Some(&row.latest))?;
            let answer = match publish {
                true => {
                    let (number, config) = super::publish(&tx, name, &mut row, None).await?;
                    let version = number.to_string();
                    describe::configuration(&ctx, name, name.arn_with(&version), &version, &config)
                }
                false => describe::configuration(&ctx, name, name.arn(), LATEST, &row.latest),
            };
            FUNCTIONS.put(&tx, &name.key(), &row)?;
            Ok(answer)
        })
        .await
    }
}

fn exists(name: &FunctionName) -> ServiceError {
    conflict(format!("Function already exist: {}", name.name))
}

fn check_name(name: &FunctionName) -> Result<(), ServiceError> {
    if name.name.len() > NAME_CHARS_MAX {
        return Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64",
            name.name
        )));
    }
    match name.qualifier.as_deref() {
        None | Some(LATEST) => Ok(()),
        Some(_) => Err(invalid("The name of a new function has no qualifier.")),
    }
}
