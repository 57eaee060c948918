"""The device plugin alone: its chart as a Helm release, with values that follow from who owns what."""

from collections.abc import Mapping
from typing import Any

import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.chart_args import known_values, known_version
from decide import defaults, images, mig, plugin_values, sharing
from decide.chart_books import PLUGIN
from decide.operator_values import as_tree
from decide.ownership import Ownership


def device_plugin(
    name: str,
    args: Mapping[str, Any],
    values: Mapping[str, Any],
    namespace: kubernetes.core.v1.Namespace,
    opts: ResourceOptions,
) -> kubernetes.helm.v3.Release:
    """The release; the gate waits for its pods and for cards, and says what they say."""
    return kubernetes.helm.v3.Release(
        f"{name}-plugin",
        name=defaults.PLUGIN_RELEASE,
        namespace=namespace.metadata.name,
        chart=defaults.PLUGIN_CHART,
        version=version_of(args),
        repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=defaults.PLUGIN_REPOSITORY),
        values=dict(values),
        skip_await=True,
        timeout=args["timeout"],
        opts=ResourceOptions.merge(
            opts, ResourceOptions(ignore_changes=[] if args.get("plugin_version") else ["version"])
        ),
    )


def version_of(args: Mapping[str, Any]) -> str:
    """The one that is asked for, or ours."""
    asked = str(args.get("plugin_version") or defaults.PLUGIN_VERSION)
    return known_version("pluginVersion", asked, defaults.PLUGIN_VERSIONS)


def chart_values(args: Mapping[str, Any], who: Ownership, options: Mapping[str, Any]) -> dict[str, Any]:
    """The plugin's Helm values: derived, then the user's own, which must be keys that the chart knows."""
    own = known_values(args, version_of(args), who, PLUGIN)
    wish = {key: args.get(key) for key in ("discovery", "nodes", "node_selector", "hosts")}
    shared = [*sharing.plugin_values(sharing.read(options["sharing"])), *mig.plugin_values(options.get("mig"))]
    shared += images.plugin_values(options["images"], version_of(args), bool(args.get("discovery")))
    return as_tree([*plugin_values.values(who, {**wish, "tolerations": options["tolerations"]}), *shared], own)
