//! What an operation is, and how its handler is erased so that the wire holds a table.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_smithy::validate::{Violation, read_validated};
use undercast_smithy::{OperationSchema, ReadError, Shape, ShapeReader, ShapeWriter, write_shape};

use crate::{Context, ServiceError};

/// An operation of a service: a marker type that generated code provides.
pub trait Operation: Send + Sync + 'static {
    const SCHEMA: &'static OperationSchema;
    type Input: Shape;
    type Output: Shape;
}

/// One thing that a call does to one resource, for the authorization of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `sqs:SendMessage`.
    pub action: String,
    /// The ARN, or `*`.
    pub resource: String,
    /// Condition keys of the service, beside the global ones.
    pub conditions: Vec<(String, Vec<String>)>,
}

impl Access {
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), conditions: Vec::new() }
    }

    #[must_use]
    pub fn when(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.conditions.push((key.into(), vec![value.into()]));
        self
    }
}

/// The implementation of one operation by one service.
pub trait Handler<O: Operation>: Send + Sync + 'static {
    /// What the caller has to be allowed. An empty list means that the operation needs no permission.
    fn authorize(&self, ctx: &Context, input: &O::Input) -> Vec<Access>;

    fn handle(
        &self,
        ctx: Context,
        input: O::Input,
    ) -> impl Future<Output = Result<O::Output, ServiceError>> + Send;
}

/// A handler without its types.
pub trait ErasedHandler: Send + Sync + 'static {
    fn schema(&self) -> &'static OperationSchema;

    /// Reads and checks the input.
    fn decode(
        &self,
        reader: &mut dyn ShapeReader,
    ) -> Result<(Box<dyn ErasedCall>, Vec<Violation>), ReadError>;

    /// Reads an output, for the proof that every output survives its way over the wire.
    fn decode_output(
        &self,
        reader: &mut dyn ShapeReader,
    ) -> Result<Box<dyn ErasedOutput>, ReadError>;
}

/// A call whose input has been read.
pub trait ErasedCall: Send {
    /// The input as it was read.
    fn input(&self) -> &dyn ErasedOutput;
    fn authorize(&self, ctx: &Context) -> Vec<Access>;
    fn handle(
        self: Box<Self>,
        ctx: Context,
    ) -> BoxFuture<'static, Result<Box<dyn ErasedOutput>, ServiceError>>;
}

/// An output that can be written in any format.
pub trait ErasedOutput: Send + Sync {
    fn write(&self, writer: &mut dyn ShapeWriter);
}

impl<T: Shape> ErasedOutput for T {
    fn write(&self, writer: &mut dyn ShapeWriter) {
        write_shape(self, writer);
    }
}

struct Erased<O, H> {
    handler: Arc<H>,
    operation: PhantomData<fn() -> O>,
}

/// Takes the types off a handler. [`crate::Service::route`] calls this.
pub(crate) fn erase<O: Operation, H: Handler<O>>(handler: Arc<H>) -> Box<dyn ErasedHandler> {
    Box::new(Erased::<O, H> { handler, operation: PhantomData })
}

impl<O: Operation, H: Handler<O>> ErasedHandler for Erased<O, H> {
    fn schema(&self) -> &'static OperationSchema {
        O::SCHEMA
    }

    fn decode(
        &self,
        reader: &mut dyn ShapeReader,
    ) -> Result<(Box<dyn ErasedCall>, Vec<Violation>), ReadError> {
        let (input, violations) = read_validated::<O::Input>(reader)?;
        let handler = Arc::clone(&self.handler);
        Ok((Box::new(Decoded::<O, H> { handler, input }), violations))
    }

    fn decode_output(
        &self,
        reader: &mut dyn ShapeReader,
    ) -> Result<Box<dyn ErasedOutput>, ReadError> {
        Ok(Box::new(undercast_smithy::read_shape::<O::Output>(reader)?))
    }
}

struct Decoded<O: Operation, H> {
    handler: Arc<H>,
    input: O::Input,
}

impl<O: Operation, H: Handler<O>> ErasedCall for Decoded<O, H> {
    fn input(&self) -> &dyn ErasedOutput {
        &self.input
    }

    fn authorize(&self, ctx: &Context) -> Vec<Access> {
        self.handler.authorize(ctx, &self.input)
    }

    fn handle(
        self: Box<Self>,
        ctx: Context,
    ) -> BoxFuture<'static, Result<Box<dyn ErasedOutput>, ServiceError>> {
        async move {
            let output = self.handler.handle(ctx, self.input).await?;
            Ok(Box::new(output) as Box<dyn ErasedOutput>)
        }
        .boxed()
    }
}
