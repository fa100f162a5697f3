//! Generated shapes and operations.

pub mod apigatewayv2;
