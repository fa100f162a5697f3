//! Generated shapes and operations.

pub mod dynamodb;
pub mod dynamodbstreams;
