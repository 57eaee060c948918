"""Hosts that are EC2 instances: made, told who they are, then made ready over SSH like any other host."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import ResourceOptions

from components.aws_questions import ask_all, explaining, spoken, tags
from components.bare_metal import BareMetalGpuNodes
from components.gpu_host import GpuHost, GpuHostArgs
from components.host_step import Link, Wait, host_step
from components.local_step import guard_step
from decide import aws_hosts, defaults
from decide.aws_failures import refusal
from host import boot

try:
    import pulumi_aws as aws
    import pulumi_tls as tls
except ModuleNotFoundError:
    raise pulumi.RunError("hosts with ec2 need the SDK of AWS: run make setup WITH=aws") from None


class AwsGpuHosts(BareMetalGpuNodes):
    """Hosts over SSH, some of which are instances that are made once the cluster was looked at."""

    TOKEN = "gpu-ready:index:AwsGpuHosts"

    def _hosts(self, name: str, args: Any, common: Mapping[str, Any]) -> Sequence[GpuHostArgs]:
        self._made: dict[str, tuple[pulumi.Resource, pulumi.Resource]] = {}
        hosts = [one for one in args["hosts"] if "ec2" in one]
        wish = {**args["ec2"], "hosts": [{"name": one["name"], **one["ec2"]} for one in hosts]}
        refuse(wish, args["ec2"].get("join_script") is not None)
        site = Site(self, name, wish, common)
        for host, one in zip(hosts, wish["hosts"], strict=True):
            self._made[host["name"]] = site.host(host, one)
        return [site.reached[one["name"]] if "ec2" in one else one for one in args["hosts"]]

    def _host(self, name: str, host: GpuHostArgs, common: Mapping[str, Any]) -> GpuHost:
        """One that is an instance goes with it: nothing is asked of it when that is deleted."""
        if host["name"] not in self._made:
            return super()._host(name, host, common)
        instance, booted = self._made[host["name"]]
        opts = ResourceOptions(parent=self, deleted_with=instance)
        return GpuHost(name, host, {**common, "after": booted}, opts)


class Site:
    """What all instances of a stack share: account, key pair, and the group that lets ssh in."""

    def __init__(self, parent: pulumi.Resource, name: str, wish: Mapping[str, Any], common: Mapping[str, Any]) -> None:
        self.parent, self.name, self.wish, self.common = parent, name, wish, common
        self.reached: dict[str, GpuHostArgs] = {}
        self.tags = tags(wish)
        account = aws.Provider(
            f"{name}-aws",
            region=wish["region"],
            allowed_account_ids=[wish["account"]] if wish.get("account") else None,
            default_tags=aws.ProviderDefaultTagsArgs(tags=self.tags),
            opts=ResourceOptions(parent=parent),
        )
        hooks = pulumi.ResourceHookBinding(on_error=[explaining(name, wish)])
        self.in_aws = ResourceOptions(parent=parent, provider=account, hooks=hooks, depends_on=[common["after"]])
        asking = pulumi.InvokeOptions(parent=parent, provider=account)
        asked = ask_all(aws_hosts.questions(wish), asking)
        self.found = asked.apply(lambda found: spoken(aws_hosts.judge(wish, found), found))
        key = self.found.apply(lambda _: wish["public_key"])
        self.key = aws.ec2.KeyPair(f"{name}-key", public_key=key, opts=self.in_aws)
        self.group = self._group()

    def _with(self, **more: Any) -> ResourceOptions:
        return ResourceOptions.merge(self.in_aws, ResourceOptions(**more))

    def _group(self) -> Any:
        group = aws.ec2.SecurityGroup(
            f"{self.name}-ssh",
            description="ssh to hosts of gpu-ready",
            vpc_id=self.found.apply(lambda it: it["subnet"]["vpcId"]),
            opts=self.in_aws,
        )
        inward = [
            aws.vpc.SecurityGroupIngressRule(
                f"{self.name}-ssh-{number}",
                security_group_id=group.id,
                ip_protocol="tcp",
                from_port=22,
                to_port=22,
                **{"cidr_ipv6" if ":" in network else "cidr_ipv4": network},
                opts=self.in_aws,
            )
            for number, network in enumerate(self.wish["ssh_from"])
        ]
        outward = aws.vpc.SecurityGroupEgressRule(
            f"{self.name}-out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", opts=self.in_aws
        )
        self.open = [*inward, outward]
        return group

    def host(self, host: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[pulumi.Resource, pulumi.Resource]:
        """The instance, and the step after which it is a node."""
        prefix = f"{self.name}-{host['name']}"
        # It outlives the instance: one that is made anew shows the same key.
        key = tls.PrivateKey(f"{prefix}-hostkey", algorithm="ED25519", opts=ResourceOptions(parent=self.parent))
        public = key.public_key_openssh.apply(lambda text: " ".join(text.split()[:2]))
        instance = self._instance(prefix, one, key, public)
        image = aws_hosts.IMAGES[one["image"]]
        known = {part: value for part, value in host.items() if part != "ec2"}
        address = self._address(prefix, instance)
        reached: Any = {**known, "address": address, "host_key": public, "user": image.user}
        self.reached[host["name"]] = reached
        return instance, self._booted(prefix, reached, instance)

    def _instance(self, prefix: str, one: Mapping[str, Any], key: Any, public: Any) -> Any:
        values = aws_hosts.replacing(self.wish, one)
        known = refusal("AWS-34", "", self.wish)._asdict()
        params = {"values": values, "allowed": self.wish["allow_replace"], "refusal": known}
        guard = guard_step(f"{prefix}-guard", params, ResourceOptions(parent=self.parent))
        told: Any = pulumi.Output.all(key.private_key_openssh, public, self.wish.get("join_script"))
        return aws.ec2.Instance(
            f"{prefix}-instance",
            ami=one.get("ami") or self.found.apply(lambda it: it[f"image {one['image']}"]["id"]),
            key_name=self.key.key_name,
            vpc_security_group_ids=[self.group.id, *self.wish["security_groups"]],
            user_data=pulumi.Output.secret(told.apply(lambda it: self._user_data(*it))),
            **aws_hosts.instance(self.wish, one, self.tags),
            opts=self._with(
                depends_on=[guard, *self.open],
                delete_before_replace=True,  # cards are scarce, and so are the vCPUs of the quota
                # A newer image or script is for machines that are made from then on.
                ignore_changes=["ami", "userData", "associatePublicIpAddress"],
                replacement_trigger=aws_hosts.image_of(one),
            ),
        )

    def _user_data(self, private: str, public: str, join_script: str | None) -> str:
        text = aws_hosts.user_data(private, public, join_script)
        if len(text.encode()) > aws_hosts.LONGEST_USER_DATA:
            raise pulumi.RunError("\n".join(refusal("AWS-28", "", self.wish).lines()))
        return text

    def _address(self, prefix: str, instance: Any) -> Any:
        """One that stays when the machine is stopped and started: no step of it changes then."""
        if self.wish["address"] == "private":
            return instance.private_ip
        return aws.ec2.Eip(f"{prefix}-address", domain="vpc", instance=instance.id, opts=self.in_aws).public_ip

    def _booted(self, prefix: str, host: Mapping[str, Any], instance: pulumi.Resource) -> pulumi.Resource:
        connection = {
            **{"host": host["address"], "port": 22, "user": host["user"], "host_key": host["host_key"]},
            **{part: self.common[part] for part in ("private_key", "password") if self.common.get(part) is not None},
            **defaults.DIALS_FIRST_BOOT,
        }
        state = str(getattr(host.get("state"), "value", host.get("state") or "present"))
        link = Link(connection, state, self.common["patience"], Wait(host["name"], defaults.FIRST_BOOT_SECONDS))
        text = boot.boot_text(self.wish.get("join_script") is not None)
        opts = ResourceOptions(parent=self.parent, deleted_with=instance, depends_on=[instance])
        return host_step(f"{prefix}-boot", text, link, opts).resource


def refuse(wish: Mapping[str, Any], has_script: bool) -> None:
    """By the rules of a stack file."""
    wrong = aws_hosts.faults(wish, has_script)
    if wrong:
        listed = "; ".join(f"{one.problem}. Right: {one.fix}" for one in wrong)
        raise pulumi.InputPropertyError(wrong[0].key, listed)
