"""A cluster in EKS with its network, its access and its add-ons. Everything is a child of the component that asks."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from decide import aws_cluster, aws_nodes
from decide.aws_cluster import Zone

TIMES = pulumi.CustomTimeouts(create="40m", update="90m", delete="30m")


class Made:
    """What the node group has to know of a cluster that is made."""

    def __init__(self, name: str, wish: Any, go: pulumi.Output[Any], in_aws: ResourceOptions) -> None:
        self.name, self.wish, self.in_aws, self.region = name, wish["make"], in_aws, wish["region"]
        self.go = go
        """Known once AWS was asked: before that, nothing is made."""
        self.partition = aws_nodes.partition(self.region)
        zones = aws_cluster.zones(self.wish)
        private, public, network = self._network(zones)
        cluster = self._cluster([*private, *public], network)
        self._access(cluster)
        before = [self._addon(cluster, one) for one in aws_cluster.ADDONS_BEFORE_NODES]
        system = self._system(cluster, private, before)
        after = [self._addon(cluster, one, [system]) for one in aws_cluster.ADDONS_AFTER_NODES]
        self.ready: list[pulumi.Resource] = [system, *after]
        self.subnets = pulumi.Output.all(*[one.id for one in private])
        parts = {
            "name": cluster.name,
            "endpoint": cluster.endpoint,
            "certificateAuthorities": cluster.certificate_authority.apply(lambda it: [{"data": it["data"]}]),
            "version": cluster.version,
        }
        self.described = pulumi.Output.all(**parts)

    def _with(self, **more: Any) -> ResourceOptions:
        return ResourceOptions.merge(self.in_aws, ResourceOptions(**more))

    def _called(self, what: str) -> dict[str, str]:
        return {"Name": f"{self.wish['name']}-{what}"}

    def _network(self, zones: list[Zone]) -> tuple[list[Any], list[Any], list[Any]]:
        """Private subnets for nodes, public ones for the way out and for load balancers."""
        vpc = aws.ec2.Vpc(
            f"{self.name}-vpc",
            cidr_block=self.go.apply(lambda _: self.wish["network"]),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._called("vpc"),
            opts=self.in_aws,
        )
        gateway = aws.ec2.InternetGateway(f"{self.name}-internet", vpc_id=vpc.id, opts=self.in_aws)
        public = [self._subnet("public", zone, zone.public, vpc) for zone in zones]
        private = [self._subnet("private", zone, zone.private, vpc) for zone in zones]
        address = aws.ec2.Eip(f"{self.name}-address", domain="vpc", opts=self._with(depends_on=[gateway]))
        # One for all zones: half the price, and a zone that fails takes the way out with it.
        nat = aws.ec2.NatGateway(
            f"{self.name}-nat",
            allocation_id=address.id,
            subnet_id=public[0].id,
            tags=self._called("nat"),
            opts=self._with(depends_on=[gateway]),
        )
        outward = self._routes("public", vpc, public, {"gateway_id": gateway.id})
        inward = self._routes("private", vpc, private, {"nat_gateway_id": nat.id})
        return private, public, [*outward, *inward]

    def _subnet(self, kind: str, zone: Zone, cidr: str, vpc: Any) -> Any:
        role = aws_cluster.PUBLIC if kind == "public" else aws_cluster.PRIVATE
        return aws.ec2.Subnet(
            f"{self.name}-{kind}-{zone.letter}",
            vpc_id=vpc.id,
            cidr_block=cidr,
            availability_zone=zone.name,
            tags={**self._called(f"{kind}-{zone.letter}"), role: "1"},
            opts=self.in_aws,
        )

    def _routes(self, kind: str, vpc: Any, subnets: list[Any], out: dict[str, Any]) -> list[pulumi.Resource]:
        table = aws.ec2.RouteTable(f"{self.name}-{kind}", vpc_id=vpc.id, tags=self._called(kind), opts=self.in_aws)
        route = aws.ec2.Route(
            f"{self.name}-{kind}-out",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            **out,
            opts=self.in_aws,
        )
        zones = aws_cluster.zones(self.wish)
        tied = [
            aws.ec2.RouteTableAssociation(
                f"{self.name}-{kind}-{zone.letter}", route_table_id=table.id, subnet_id=one.id, opts=self.in_aws
            )
            for zone, one in zip(zones, subnets, strict=True)
        ]
        return [route, *tied]

    def _role(self, what: str, who: dict[str, Any], *policies: str) -> tuple[Any, list[pulumi.Resource]]:
        trust = self.go.apply(lambda _: json.dumps(who))
        role = aws.iam.Role(f"{self.name}-{what}", assume_role_policy=trust, opts=self.in_aws)
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{self.name}-{what}-{policy}",
                role=role.name,
                policy_arn=f"arn:{self.partition}:iam::aws:policy/{policy}",
                opts=self.in_aws,
            )
            for policy in policies
        ]
        return role, attached

    def _cluster(self, subnets: list[Any], network: list[Any]) -> Any:
        role, attached = self._role("cluster-role", aws_cluster.CLUSTER_TRUST, "AmazonEKSClusterPolicy")
        return aws.eks.Cluster(
            f"{self.name}-cluster",
            role_arn=role.arn,
            vpc_config={**aws_cluster.vpc_config(self.wish), "subnet_ids": [one.id for one in subnets]},
            **aws_cluster.cluster(self.wish),
            # It lets go of its interfaces only while it may: role and network go after it.
            opts=self._with(depends_on=[*attached, *network], custom_timeouts=TIMES),
        )

    def _access(self, cluster: Any) -> None:
        """Service accounts may have roles, and the named people the whole cluster."""
        aws.iam.OpenIdConnectProvider(
            f"{self.name}-oidc",
            url=cluster.identities.apply(lambda found: found[0]["oidcs"][0]["issuer"]),
            client_id_lists=["sts.amazonaws.com"],
            opts=self.in_aws,
        )
        for number, who in enumerate(self.wish["admins"]):
            entry = aws.eks.AccessEntry(
                f"{self.name}-admin-{number}", cluster_name=cluster.name, principal_arn=who, opts=self.in_aws
            )
            aws.eks.AccessPolicyAssociation(
                f"{self.name}-admin-{number}",
                cluster_name=cluster.name,
                principal_arn=entry.principal_arn,
                policy_arn=f"arn:{self.partition}:eks::aws:cluster-access-policy/{aws_cluster.ADMIN_POLICY}",
                access_scope={"type": "cluster"},
                opts=self.in_aws,
            )

    def _addon(self, cluster: Any, addon: str, after: list[pulumi.Resource] | None = None) -> pulumi.Resource:
        """The network add-on gets a role of its own, so that no pod on a node has it by way of the node."""
        more: dict[str, Any] = {}
        if addon == "vpc-cni":
            role, attached = self._role("cni-role", aws_cluster.POD_TRUST, aws_nodes.CNI_POLICY)
            more["pod_identity_associations"] = [{"role_arn": role.arn, "service_account": "aws-node"}]
            after = [*(after or []), *attached]
        found: pulumi.Resource = aws.eks.Addon(
            f"{self.name}-{addon}",
            cluster_name=cluster.name,
            addon_name=addon,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            **more,
            opts=self._with(depends_on=after or []),
        )
        return found

    def _system(self, cluster: Any, subnets: list[Any], after: list[pulumi.Resource]) -> pulumi.Resource:
        """Nodes for all that needs no card."""
        role, attached = self._role("system-role", aws_nodes.TRUST, *aws_nodes.ROLE_POLICIES)
        template = aws.ec2.LaunchTemplate(
            f"{self.name}-system-template",
            description=self.go.apply(lambda _: "Nodes without cards"),
            **aws_nodes.system_template(self.wish["name"]),
            opts=self.in_aws,
        )
        found: pulumi.Resource = aws.eks.NodeGroup(
            f"{self.name}-system",
            cluster_name=cluster.name,
            node_role_arn=role.arn,
            subnet_ids=[one.id for one in subnets],
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            **aws_cluster.system_nodes(self.wish),
            opts=self._with(depends_on=[*after, *attached]),
        )
        return found
