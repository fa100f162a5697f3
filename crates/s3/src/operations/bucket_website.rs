//! `PutBucketWebsite`, `GetBucketWebsite` and `DeleteBucketWebsite`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{DeleteBucketWebsite, GetBucketWebsite, PutBucketWebsite};
use crate::api::s3::shapes::{
    DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput, GetBucketWebsiteInput,
    GetBucketWebsiteOutput, PutBucketWebsiteInput, PutBucketWebsiteOutput, RoutingRule,
    WebsiteConfiguration,
};
use crate::engine::bucket::{WEBSITE, access, config, delete_config, own, put_config};
use crate::error::{argument, invalid, malformed_xml, no_website};
use crate::limits::ROUTING_RULES_MAX;

fn check(wanted: &WebsiteConfiguration) -> Result<(), ServiceError> {
    let rules = wanted.routing_rules.as_deref().unwrap_or_default();
    if let Some(everything) = &wanted.redirect_all_requests_to {
        if wanted.index_document.is_some() || wanted.error_document.is_some() || !rules.is_empty() {
            return Err(argument(
                "RedirectAllRequestsTo",
                "not null",
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
            ));
        }
        return check_protocol(everything.protocol.as_deref());
    }
    let Some(index) = &wanted.index_document else {
        return Err(argument(
            "IndexDocument",
            "null",
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
        ));
    };
    if index.suffix.is_empty() || index.suffix.contains('/') {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(argument("IndexDocument", &index.suffix, message));
    }
    if wanted.error_document.as_ref().is_some_and(|document| document.key.is_empty()) {
        return Err(argument("ErrorDocument", "", "The ErrorDocument Key is not well formed"));
    }
    if rules.len() > ROUTING_RULES_MAX {
        return Err(invalid(format!(
            "{} routing rules provided, the number of routing rules in a website configuration is limited to {ROUTING_RULES_MAX}.",
            rules.len()
        )));
    }
    rules.iter().try_for_each(check_rule)
}

fn check_protocol(protocol: Option<&str>) -> Result<(), ServiceError> {
    match protocol {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(invalid(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
        )),
    }
}

fn check_rule(rule: &RoutingRule) -> Result<(), ServiceError> {
    let to = &rule.redirect;
    check_protocol(to.protocol.as_deref())?;
    if to.replace_key_with.is_some() && to.replace_key_prefix_with.is_some() {
        return Err(invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both."));
    }
    if let Some(code) = &to.http_redirect_code
        && (code == "300"
            || code.len() != 3
            || !code.starts_with('3')
            || code.parse::<u16>().is_err())
    {
        return Err(invalid(format!(
            "The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        )));
    }
    let Some(condition) = &rule.condition else {
        return Ok(());
    };
    match &condition.http_error_code_returned_equals {
        None if condition.key_prefix_equals.is_none() => Err(malformed_xml()),
        None => Ok(()),
        Some(code) if code.len() == 3 && (code.starts_with('4') || code.starts_with('5')) => Ok(()),
        Some(code) => Err(invalid(format!(
            "The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX."
        ))),
    }
}

impl Handler<PutBucketWebsite> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketWebsiteInput) -> Vec<Access> {
        access("PutBucketWebsite", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketWebsiteInput,
    ) -> Result<PutBucketWebsiteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
            check(&input.website_configuration)?;
            put_config(&tx, &row, WEBSITE, &input.website_configuration)
        })
        .await?;
        Ok(PutBucketWebsiteOutput::default())
    }
}

impl Handler<GetBucketWebsite> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketWebsiteInput) -> Vec<Access> {
        access("GetBucketWebsite", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketWebsiteInput,
    ) -> Result<GetBucketWebsiteOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let found: Option<WebsiteConfiguration> = config(&tx, &row, WEBSITE).await?;
        let found = found.ok_or_else(|| no_website(&input.bucket))?;
        Ok(GetBucketWebsiteOutput {
            redirect_all_requests_to: found.redirect_all_requests_to,
            index_document: found.index_document,
            error_document: found.error_document,
            routing_rules: found.routing_rules,
        })
    }
}

impl Handler<DeleteBucketWebsite> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketWebsiteInput) -> Vec<Access> {
        access("DeleteBucketWebsite", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketWebsiteInput,
    ) -> Result<DeleteBucketWebsiteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
            delete_config(&tx, &row, WEBSITE)
        })
        .await?;
        Ok(DeleteBucketWebsiteOutput::default())
    }
}
