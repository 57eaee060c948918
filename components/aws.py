"""A managed node group with cards in an EKS cluster."""

import json
from typing import Any

import pulumi
from pulumi import ResourceOptions

from components.aws_args import AwsGpuNodesArgs
from components.aws_questions import checked, cluster_of, explaining, spoken, tags
from components.choices import GpuChoices, operator_namespace, owned, reading
from components.local_step import guard_step, reading_step
from components.proof import GpuPool
from decide import aws_cluster, aws_images, aws_nodes, aws_rules, defaults
from decide.aws_checks import judge_made
from decide.aws_failures import BY_ID, refusal
from decide.kubeconfig import eks_kubeconfig

try:
    import pulumi_aws as aws

    from components.aws_cluster import Made
except ModuleNotFoundError:
    raise pulumi.RunError("target aws needs the SDK of AWS: run make setup WITH=aws") from None


class AwsGpuNodes(pulumi.ComponentResource):
    """A managed node group with cards in an EKS cluster. AWS is asked first whether it can give what is wished."""

    kubeconfig: pulumi.Output[str]
    """Text of a kubeconfig that asks the AWS CLI for a token."""
    context: pulumi.Output[str]
    """Its context."""
    node_selector: pulumi.Output[dict[str, str]]
    """Labels by which a workload finds the nodes."""
    node_group: pulumi.Output[str]
    """ARN of the node group."""
    identifier: str
    """Which cluster this is, whatever its address becomes."""
    pools: list[GpuPool]
    """What a validation has to know of the group."""

    def __init__(self, name: str, args: AwsGpuNodesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:AwsGpuNodes", name, {}, opts)
        gpu = args.get("gpu") or {}
        wish = {**read(args), "installs": owned(gpu).installs}
        account = aws.Provider(
            f"{name}-aws",
            region=wish["region"],
            allowed_account_ids=[args["account"]] if args.get("account") else None,
            default_tags=aws.ProviderDefaultTagsArgs(tags=tags(args)),
            opts=ResourceOptions(parent=self),
        )
        hooks = pulumi.ResourceHookBinding(on_error=[explaining(name, wish)])
        self._in_aws = ResourceOptions(parent=self, provider=account, hooks=hooks)
        asking = pulumi.InvokeOptions(parent=self, provider=account)
        cluster, subnets, after = self._cluster(name, wish, asking)
        self.kubeconfig = pulumi.Output.secret(cluster.apply(lambda it: eks_kubeconfig(it, wish["region"])))
        self.context = pulumi.Output.from_input(wish["cluster"])
        self.identifier = f"eks:{wish['region']}/{wish['cluster']}"
        self.pools = [aws_nodes.pool(wish)]
        look = self._look(name, args, gpu, after)
        self.node_group = self._node_group(name, wish, cluster, subnets, tags(args), look).arn
        self.node_selector = pulumi.Output.from_input(aws_nodes.selector(wish))
        self.node_of_host: dict[str, pulumi.Output[str]] = {}
        self.made: dict[str, pulumi.Output[str]] = {}
        self.marks: dict[str, pulumi.Output[dict[str, str]]] = {}
        self.away: dict[str, str] = {}
        self.any_node = ""
        outputs = ("kubeconfig", "context", "node_selector", "node_group")
        self.register_outputs({key: getattr(self, key) for key in outputs})

    def _cluster(self, name: str, wish: Any, asking: pulumi.InvokeOptions) -> tuple[Any, Any, list[pulumi.Resource]]:
        """The cluster as EKS describes it, the subnets of the nodes, and what has to be there before them."""
        login = self._login(name)
        if not wish.get("make"):
            cluster = cluster_of(wish, asking)
            return cluster, self._subnets(wish, cluster, asking), [login]
        go: Any = pulumi.Output.from_input(spoken(judge_made(wish), None))
        if wish["checks"]:
            go = checked(wish, wish["make"], [], asking)
        guard = self._guard(f"{name}-cluster", wish, aws_cluster.replacing(wish["make"]), "AWS-33")
        first = ResourceOptions(depends_on=[login, guard])
        made = Made(name, wish, go, ResourceOptions.merge(self._in_aws, first))
        return made.described, made.subnets, made.ready

    def _subnets(self, wish: Any, cluster: Any, asking: pulumi.InvokeOptions) -> Any:
        """Where the nodes will be, once AWS was asked whether they can."""

        def chosen(it: Any) -> Any:
            where = wish["subnets"] or list(it["vpcConfig"]["subnetIds"])
            return checked(wish, it, where, asking) if wish["checks"] else where

        return cluster.apply(chosen)

    def _guard(self, name: str, wish: Any, values: Any, id: str) -> pulumi.Resource:
        """Before what is deleted and made anew when one of these values changes."""
        params = {
            "values": values,
            "allowed": bool(wish.get("allow_replace")),
            "refusal": refusal(id, "", wish)._asdict(),
        }
        return guard_step(f"{name}-guard", params, ResourceOptions(parent=self))

    def _login(self, name: str) -> pulumi.Resource:
        """Whoever cannot log in would have a node group that nobody can prove, or take back cleanly."""
        params = {"programs": {"aws": BY_ID["AWS-40"].fix, "kubectl": "install kubectl"}}
        return reading_step(f"{name}-login", "login", params, defaults.LOOK_SECONDS, ResourceOptions(parent=self))

    def _look(self, name: str, args: AwsGpuNodesArgs, gpu: GpuChoices, after: list[pulumi.Resource]) -> pulumi.Resource:
        """What is in the cluster already is looked at before nodes are made for it."""
        makes = (operator_namespace(gpu) if owned(gpu).installs else "", args.get("validation_namespace"))
        params = {
            **reading(gpu, self.kubeconfig, self.context),
            "nodes": [],
            "node_selector": {},
            "pools": self.pools,
            "makes": [one for one in makes if one],
        }
        opts = ResourceOptions(parent=self, depends_on=after)
        return reading_step(f"{name}-look", "look", params, defaults.LOOK_SECONDS, opts)

    def _node_group(
        self, name: str, wish: Any, cluster: Any, subnets: Any, named: dict[str, str], look: pulumi.Resource
    ) -> Any:
        # What the look refuses shall leave nothing behind.
        looked = ResourceOptions.merge(self._in_aws, ResourceOptions(depends_on=[look]))
        role, attached = self._role(name, wish, subnets, looked)
        guard = self._guard(name, wish, {**aws_nodes.replacing(wish), "subnets": subnets}, "AWS-30")
        template = aws.ec2.LaunchTemplate(
            f"{name}-template",
            user_data=pulumi.Output.all(cluster, subnets).apply(lambda both: user_data(wish, both[0])),
            **aws_nodes.launch_template(wish, named),
            opts=looked,
        )
        limits = dict.fromkeys(("create", "update", "delete"), defaults.NODE_GROUP_TIMEOUT)
        group = aws.eks.NodeGroup(
            f"{name}-group",
            cluster_name=wish["cluster"],
            node_role_arn=role,
            subnet_ids=subnets,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            **aws_nodes.node_group(wish),
            opts=ResourceOptions.merge(
                self._in_aws,
                ResourceOptions(
                    depends_on=[guard, *attached],  # without the policies of its role a group cannot be deleted
                    delete_before_replace=True,  # its name is taken, and so are the cards
                    ignore_changes=["scalingConfig.desiredSize"] if wish["autoscaler"] else [],
                    custom_timeouts=pulumi.CustomTimeouts(**limits),
                ),
            ),
        )

        self._tell_autoscaler(name, wish, group)
        return group

    def _tell_autoscaler(self, name: str, wish: Any, group: Any) -> None:
        """Tags of the group itself, which EKS does not pass on: by them a node is known before there is one."""
        if not wish["autoscaler"]:
            return
        where = group.resources.apply(lambda found: found[0]["autoscaling_groups"][0]["name"])
        for number, (key, value) in enumerate(aws_nodes.group_tags(wish).items()):
            aws.autoscaling.Tag(
                f"{name}-tag-{number}",
                autoscaling_group_name=where,
                tag={"key": key, "value": value, "propagate_at_launch": False},
                opts=self._in_aws,
            )

    def _role(self, name: str, wish: Any, subnets: Any, looked: ResourceOptions) -> tuple[Any, list[pulumi.Resource]]:
        """The role of the nodes, with the least that a node needs; made, like the rest, once AWS was asked."""
        if wish.get("node_role"):
            return wish["node_role"], []
        trust = subnets.apply(lambda _: json.dumps(aws_nodes.TRUST))
        role = aws.iam.Role(f"{name}-role", assume_role_policy=trust, opts=looked)
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:{aws_nodes.partition(wish['region'])}:iam::aws:policy/{policy}",
                opts=self._in_aws,
            )
            for policy in aws_nodes.role_policies(wish)
        ]
        return role.arn, attached


def read(args: AwsGpuNodesArgs) -> dict[str, Any]:
    """The wish with its defaults; what the rules refuse is refused with all faults."""
    image = args.get("image") or "al2023"
    if image not in aws_images.IMAGES:
        raise pulumi.InputPropertyError("image", f"one of {', '.join(aws_images.IMAGES)} belongs here, got {image!r}")
    otherwise: dict[str, Any] = {
        "name": defaults.NODE_GROUP,
        "instance_types": list(defaults.AWS_TYPES),
        "image": image,
        "capacity": "onDemand",
        "min": 0,
        "desired": 1,
        "max": 1,
        "store": aws_images.IMAGES[image].stores[0],
        "subnets": [],
        "autoscaler": False,
        "checks": True,
    }
    said: dict[str, Any] = {key: value for key, value in args.items() if value is not None}
    # Other languages send whole numbers as floats.
    said |= {key: int(said[key]) for key in ("min", "desired", "max", "disk_gib", "hop_limit") if key in said}
    wish = {**otherwise, **said}
    wrong = aws_rules.faults(wish)
    if wish.get("make"):
        wish["make"] = aws_cluster.usual(wish["make"])
        wrong += aws_cluster.faults({**wish["make"], "region": wish["region"]})
    if wrong:
        listed = "; ".join(f"{one.key}: {one.problem}. Right: {one.fix}" for one in wrong)
        raise pulumi.InputPropertyError(wrong[0].key, listed)
    return wish


def user_data(wish: Any, cluster: Any) -> str | None:
    """What a node is told at its first boot."""
    place = {
        "name": wish["cluster"],
        "endpoint": cluster["endpoint"],
        "ca": cluster["certificateAuthorities"][0]["data"],
    }
    told = {**aws_nodes.selector(wish), **aws_nodes.labels(wish)}
    return aws_images.user_data(wish["image"], wish["store"], place, told) or None
