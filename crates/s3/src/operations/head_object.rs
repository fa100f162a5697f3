//! `HeadObject`: what `GetObject` says of an object, without its content.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::get_object::describe;
use crate::S3;
use crate::api::s3::operations::HeadObject;
use crate::api::s3::shapes::{HeadObjectInput, HeadObjectOutput};
use crate::engine::bucket::version_access;

impl Handler<HeadObject> for S3 {
    fn authorize(&self, _: &Context, input: &HeadObjectInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        version_access("GetObject", &input.bucket, &input.key, version)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: HeadObjectInput,
    ) -> Result<HeadObjectOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let mut output = HeadObjectOutput::default();
        describe!(tx, ctx, input, output, "HEAD");
        Ok(output)
    }
}
