"""What is known of each chart beside its keys: what somebody else decides, what is gone, and what breaks things."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from decide import defaults

SUBCHART = "node-feature-discovery"  # brings its own schema: a typo below it is refused when the chart is rendered
PLUGIN_SUBCHART = "nfd"  # the same one, as the plugin's chart calls it


class Dead(NamedTuple):
    """A key that older guides set: gone since a version, and what took its place."""

    path: str
    since: str
    instead: str


class Book(NamedTuple):
    """What is known of a chart in all its versions."""

    chart: str
    subchart: str
    owned: Mapping[str, str]  # keys whose answer is somebody else's already, and what to do instead
    dead: tuple[Dead, ...] = ()
    bad: tuple[tuple[str, Any, str, str], ...] = ()  # path, value, what it breaks, what to do


DEAD = (
    Dead("psp.enabled", "v24.9.0", "Pod security policies left Kubernetes; the namespace is labelled instead"),
    Dead("dcgm.hostPort", "v24.9.0", "leave it out"),
    Dead("operator.defaultRuntime", "v25.3.0", "the runtime is detected; leave it out"),
    Dead("driver.useOpenKernelModules", "v25.3.0", "driver.kernelModuleType: open"),
    Dead("driver.maxParallelUpgrades", "v24.9.0", "driver.upgradePolicy.maxParallelUpgrades: 1"),
    Dead("cdi.default", "v25.10.0", "cdi.enabled: true, which is the default"),
    Dead("driver.licensingConfig.configMapName", "v25.10.0", "driver.licensingConfig.secretName: my-licence"),
    Dead("operator.initContainer", "v26.3.0", "leave it out; the operator's own image is used"),
    Dead("kataManager", "v26.3.0", "sandboxWorkloads.mode: kata"),
)

# Keys whose answer is somebody else's already: the setting that decides it, or why it cannot be had.
OWNED = {
    "driver.enabled": "set gpu.driver: operator or preinstalled",
    "toolkit.enabled": "set gpu.toolkit: operator or preinstalled",
    "devicePlugin.enabled": "leave it out; without it nothing advertises the cards",
    "operator.runtimeClass": "leave it out; pods and validation rely on the name nvidia",
    "operator.cleanupCRD": "set gpu.operator.removeCrds: true",
    "daemonsets.tolerations": "set cluster.tolerations",
    f"{SUBCHART}.worker.tolerations": "set cluster.tolerations",
    "cdi.nriPluginEnabled": "set gpu.toolkit: nri",
    "clusterPolicy.deployCR": "leave it out; the ClusterPolicy is what the validation waits for",
    "gpuCluster.deployCR": "leave it out; dynamic resource allocation comes with a later release",
    "psa.enabled": "leave it out; the namespace is ours and labelled already",
}

# Values that the chart takes and that break something.
BAD = (
    ("hostPaths.driverInstallDir", "/", "containers do not start with it", "leave it out; a driver in /usr is found"),
    ("validator.image", "gpu-operator-validator", "this image ended with v25.3", "leave it out"),
    ("gfd.image", "gpu-feature-discovery", "this image ended with v24.6", "leave it out"),
)

OPERATOR = Book(defaults.OPERATOR_CHART, SUBCHART, OWNED, DEAD, BAD)
PLUGIN = Book(
    defaults.PLUGIN_CHART,
    PLUGIN_SUBCHART,
    {
        "runtimeClassName": "set gpu.runtimeClass: ours, external or none",
        "tolerations": "set cluster.tolerations",
        f"{PLUGIN_SUBCHART}.worker.tolerations": "set cluster.tolerations",
        "affinity": "leave it out; the plugin runs on the declared nodes",
        "nodeSelector": "leave it out; the plugin runs on the declared nodes",
        "devicePlugin.enabled": "leave it out; without it nothing advertises the cards",
        "gfd.enabled": "set gpu.plugin.discovery: true",
        f"{PLUGIN_SUBCHART}.enabled": "set gpu.plugin.discovery: true",
        "namespaceOverride": "leave it out; the validation looks for the plugin where we install it",
        "nameOverride": "leave it out; the validation knows the plugin by its name",
        "fullnameOverride": "leave it out; the validation knows the plugin by its name",
    },
)

DRA = Book(
    defaults.DRA_RELEASE,
    "",
    {
        "gpuResourcesEnabledOverride": "leave it out; cards are what the driver is installed for",
        "resources.gpus": "leave it out; cards are what the driver is installed for",
        "resources.computeDomains": "leave it out; they want labels of feature discovery and NVLink between nodes",
        "kubeletPlugin.tolerations": "set cluster.tolerations",
        "kubeletPlugin.affinity": "leave it out; the driver runs on the declared nodes",
        "kubeletPlugin.nodeSelector": "leave it out; the driver runs on the declared nodes",
        "namespaceOverride": "leave it out; the validation looks for the driver where we install it",
        "nameOverride": "leave it out; the validation knows the driver by its name",
        "selectorLabelsOverride": "leave it out; the validation knows the driver by its name",
    },
    bad=(("nvidiaDriverRoot", "/run/nvidia/driver", "no operator mounts a driver there", "leave it out"),),
)
BOOKS = {one.chart: one for one in (OPERATOR, PLUGIN, DRA)}
