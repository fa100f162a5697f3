//! What callers are told, in CodeDeploy's words where they are known.

use undercast_kernel::ServiceError;
use undercast_smithy::validate::{Constraint, Violation, message};

pub(crate) fn no_application(name: &str) -> ServiceError {
    let message = format!("No application found for name: {name}");
    ServiceError::new("ApplicationDoesNotExistException", message)
}

pub(crate) fn no_group(name: &str) -> ServiceError {
    let message = format!("No Deployment Group found for name: {name}");
    ServiceError::new("DeploymentGroupDoesNotExistException", message)
}

pub(crate) fn no_config(name: &str) -> ServiceError {
    let message = format!("No Deployment Configuration found for name: {name}");
    ServiceError::new("DeploymentConfigDoesNotExistException", message)
}

pub(crate) fn no_deployment(id: &str) -> ServiceError {
    let message = format!("The deployment {id} could not be found");
    ServiceError::new("DeploymentDoesNotExistException", message)
}

pub(crate) fn invalid_revision(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRevisionException", message)
}

pub(crate) fn invalid_routing(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidTrafficRoutingConfigurationException", message)
}

/// Missing and malformed names have errors of their own.
pub(crate) fn refuse(violations: &[Violation]) -> ServiceError {
    let text = message(violations);
    let Some(first) = violations.first() else {
        return ServiceError::new("InvalidInputException", text);
    };
    let is_missing = first.constraint == Constraint::Missing;
    let code = match (first.path.as_str(), is_missing) {
        ("applicationName", true) => "ApplicationNameRequiredException",
        ("applicationName", false) => "InvalidApplicationNameException",
        ("deploymentGroupName" | "currentDeploymentGroupName", true) => {
            "DeploymentGroupNameRequiredException"
        }
        (
            "deploymentGroupName" | "currentDeploymentGroupName" | "newDeploymentGroupName",
            false,
        ) => "InvalidDeploymentGroupNameException",
        ("deploymentConfigName", true) => "DeploymentConfigNameRequiredException",
        ("deploymentConfigName", false) => "InvalidDeploymentConfigNameException",
        ("deploymentId" | "deploymentIds", true) => "DeploymentIdRequiredException",
        ("serviceRoleArn", true) => "RoleRequiredException",
        ("computePlatform", _) => "InvalidComputePlatformException",
        ("revision.revisionType", _) => "InvalidRevisionException",
        ("status", _) => "InvalidLifecycleEventHookExecutionStatusException",
        (path, _) if path.starts_with("autoRollbackConfiguration") => {
            "InvalidAutoRollbackConfigException"
        }
        (path, _) if path.starts_with("trafficRoutingConfig") => {
            "InvalidTrafficRoutingConfigurationException"
        }
        (path, _) if path.starts_with("deploymentStyle") => "InvalidDeploymentStyleException",
        (path, _) if path.starts_with("includeOnlyStatuses") => "InvalidDeploymentStatusException",
        _ => "InvalidInputException",
    };
    ServiceError::new(code, text)
}
