//! Which service owns which part of the key space. A number once given is never given again; the
//! store keeps 0 to 15 for itself.

pub const IAM: u16 = 16;
pub const STS: u16 = 17;
pub const SQS: u16 = 18;
pub const DYNAMODB: u16 = 19;
pub const S3: u16 = 20;
pub const LAMBDA: u16 = 21;
pub const APIGATEWAY: u16 = 22;
pub const LOGS: u16 = 23;
pub const SSM: u16 = 24;
pub const ECR: u16 = 25;
pub const KMS: u16 = 26;
pub const CLOUDFORMATION: u16 = 27;
pub const PATTERNS: u16 = 28;
pub const CODEDEPLOY: u16 = 29;
pub const CLOUDWATCH: u16 = 30;
pub const SECRETSMANAGER: u16 = 43;
pub const SES: u16 = 44;
