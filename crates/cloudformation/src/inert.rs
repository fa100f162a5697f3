//! Types that cannot act here: networks and what belongs to them. They are kept and shown, `Ref` and
//! `Fn::GetAtt` answer, and they change nothing.

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};
use undercast_smithy::Document;

use crate::stack;
use crate::template::model::plain;

/// What the event says beside `CREATE_COMPLETE`.
pub(crate) const NOTE: &str = "Inert: the resource is kept and shown, and changes nothing.";

/// A type: its name, what its id begins with, its attributes, what cannot be changed in place.
pub(crate) struct Inert {
    name: &'static str,
    prefix: &'static str,
    attributes: &'static [(&'static str, Is)],
    replaced_by: &'static [&'static str],
}

/// Where an attribute comes from.
#[derive(Clone, Copy)]
enum Is {
    /// The physical id.
    Id,
    /// Another id, with its prefix.
    Other(&'static str),
    /// A property.
    Property(&'static str),
    Text(&'static str),
    /// An address in a private network.
    Address,
    List,
}

pub(crate) const TYPES: &[Inert] = &[
    Inert {
        name: "AWS::EC2::VPC",
        prefix: "vpc-",
        attributes: &[
            ("VpcId", Is::Id),
            ("CidrBlock", Is::Property("CidrBlock")),
            ("DefaultNetworkAcl", Is::Other("acl-")),
            ("DefaultSecurityGroup", Is::Other("sg-")),
            ("CidrBlockAssociations", Is::List),
            ("Ipv6CidrBlocks", Is::List),
        ],
        replaced_by: &["CidrBlock"],
    },
    Inert {
        name: "AWS::EC2::Subnet",
        prefix: "subnet-",
        attributes: &[
            ("SubnetId", Is::Id),
            ("VpcId", Is::Property("VpcId")),
            ("AvailabilityZone", Is::Property("AvailabilityZone")),
            ("CidrBlock", Is::Property("CidrBlock")),
            ("NetworkAclAssociationId", Is::Other("aclassoc-")),
            ("OutpostArn", Is::Text("")),
            ("Ipv6CidrBlocks", Is::List),
        ],
        replaced_by: &["AvailabilityZone", "CidrBlock", "VpcId"],
    },
    Inert {
        name: "AWS::EC2::SecurityGroup",
        prefix: "sg-",
        attributes: &[("GroupId", Is::Id), ("Id", Is::Id), ("VpcId", Is::Property("VpcId"))],
        replaced_by: &["GroupDescription", "GroupName", "VpcId"],
    },
    simple("AWS::EC2::SecurityGroupIngress", "sgr-", &[("Id", Is::Id)]),
    simple("AWS::EC2::SecurityGroupEgress", "sgr-", &[("Id", Is::Id)]),
    simple("AWS::EC2::RouteTable", "rtb-", &[("RouteTableId", Is::Id)]),
    simple("AWS::EC2::Route", "r-", &[("CidrBlock", Is::Property("DestinationCidrBlock"))]),
    simple("AWS::EC2::SubnetRouteTableAssociation", "rtbassoc-", &[("Id", Is::Id)]),
    simple("AWS::EC2::InternetGateway", "igw-", &[("InternetGatewayId", Is::Id)]),
    simple("AWS::EC2::EgressOnlyInternetGateway", "eigw-", &[("Id", Is::Id)]),
    simple("AWS::EC2::VPCGatewayAttachment", "vpcgw-", &[("AttachmentType", Is::Text("IGW"))]),
    simple("AWS::EC2::NatGateway", "nat-", &[("NatGatewayId", Is::Id)]),
    Inert {
        name: "AWS::EC2::EIP",
        prefix: "",
        attributes: &[("AllocationId", Is::Other("eipalloc-")), ("PublicIp", Is::Id)],
        replaced_by: &[],
    },
    simple("AWS::EC2::EIPAssociation", "eipassoc-", &[("Id", Is::Id)]),
    simple("AWS::EC2::NetworkAcl", "acl-", &[("Id", Is::Id)]),
    simple("AWS::EC2::NetworkAclEntry", "acle-", &[("Id", Is::Id)]),
    simple("AWS::EC2::SubnetNetworkAclAssociation", "aclassoc-", &[("AssociationId", Is::Id)]),
    simple(
        "AWS::EC2::VPCEndpoint",
        "vpce-",
        &[
            ("Id", Is::Id),
            ("CreationTimestamp", Is::Text("1970-01-01T00:00:00Z")),
            ("DnsEntries", Is::List),
            ("NetworkInterfaceIds", Is::List),
        ],
    ),
    simple("AWS::EC2::FlowLog", "fl-", &[("Id", Is::Id)]),
    simple("AWS::EC2::DHCPOptions", "dopt-", &[("DhcpOptionsId", Is::Id)]),
    simple("AWS::EC2::VPCDHCPOptionsAssociation", "dopt-assoc-", &[]),
    simple("AWS::EC2::VPCCidrBlock", "vpc-cidr-assoc-", &[("Id", Is::Id)]),
    simple(
        "AWS::EC2::NetworkInterface",
        "eni-",
        &[("Id", Is::Id), ("PrimaryPrivateIpAddress", Is::Address)],
    ),
];

const fn simple(
    name: &'static str,
    prefix: &'static str,
    attributes: &'static [(&'static str, Is)],
) -> Inert {
    Inert { name, prefix, attributes, replaced_by: &[] }
}

impl Inert {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

pub(crate) fn find(kind: &str) -> Option<&'static Inert> {
    TYPES.iter().find(|inert| inert.name == kind)
}

/// A type as the kernel knows it.
pub(crate) struct InertType(pub(crate) &'static Inert);

impl InertType {
    fn resource(&self, ctx: &Context, request: &ResourceRequest) -> Resource {
        // The same in every attempt, another one for each replacement.
        let seed = format!("{}/{}/{}", request.stack_id, request.logical_id, request.generation);
        let digits = |what: &str| {
            stack::hash(&format!("{seed}/{what}")).chars().take(17).collect::<String>()
        };
        let address = |first: &str| {
            let hash = stack::hash(&seed);
            let mut bytes = hex::decode(hash).unwrap_or_default().into_iter();
            let mut next = || bytes.next().unwrap_or(1).max(1);
            format!("{first}.{}.{}", next(), next())
        };
        let id = match self.0.prefix {
            _ if !request.physical_id.is_empty() => request.physical_id.clone(),
            // Out of a block that is set aside for examples.
            "" => address("198.18"),
            prefix => format!("{prefix}{}", digits("id")),
        };
        let mut resource = Resource::new(id.clone());
        for (name, is) in self.0.attributes {
            let value = match is {
                Is::Id => id.clone().into(),
                Is::Other(prefix) => format!("{prefix}{}", digits(prefix)).into(),
                Is::Property("AvailabilityZone") => match request.text("AvailabilityZone") {
                    Some(zone) => zone.into(),
                    None => format!("{}a", ctx.region()).into(),
                },
                Is::Property(name) => {
                    Document::from(request.properties.get(*name).map(plain).unwrap_or_default())
                }
                Is::Text(text) => (*text).into(),
                Is::Address => address("10.0").into(),
                Is::List => Document::Array(Vec::new()),
            };
            resource = resource.with(name, value);
        }
        resource
    }
}

impl ResourceType for InertType {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn properties(&self) -> &'static [&'static str] {
        &["*"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.0.replaced_by
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        let fresh = ResourceRequest { physical_id: String::new(), ..request };
        let resource = self.resource(&ctx, &fresh);
        async move { Ok(resource) }.boxed()
    }

    fn update(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        let resource = self.resource(&ctx, &request);
        async move { Ok(resource) }.boxed()
    }

    fn delete(
        &self,
        _: Context,
        _: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async { Ok(()) }.boxed()
    }
}
