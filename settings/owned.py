"""What follows from a config once it is decided who owns what."""

from collections.abc import Mapping
from dataclasses import dataclass

from decide import defaults, mig
from decide.ownership import Owner, Ownership
from decide.remainder import Left, remainder
from settings import host_join
from settings.aws import Aws
from settings.gke import Gke
from settings.model import Config


@dataclass(frozen=True, kw_only=True)
class Owned(Config):
    """A config without faults, and who owns what on its nodes."""

    ownership: Ownership

    @property
    def _version(self) -> str:
        return self.gpu.operator.version or defaults.OPERATOR_VERSION

    @property
    def resource(self) -> str:
        """What a pod asks for to get a card, or a slice of one."""
        return mig.resource(self._mig)

    @property
    def _mig(self) -> mig.Mig | None:
        wish = self.gpu.sharing.mig
        return mig.read(wish.plain()) if wish else None

    @property
    def installs(self) -> bool:
        """Whether the operator is ours."""
        return self.ownership.installs

    def remainder(self) -> list[Left]:
        """What destroy will leave behind."""
        cloud = self.gke or self.aws
        goes = host_join.goes(self.bare_metal) if cloud is None else "cluster" if cloud.cluster.create else "nodes"
        gone = self._version if self.installs else ""
        found = remainder(gone, self.gpu.operator.remove_crds, self._discovers, goes)
        of_mig = mig.left(self._mig) if self.installs and not goes else ()
        return [*found, *of_mig, *host_join.left(self.bare_metal)]

    @property
    def _brings_plugin(self) -> bool:
        """Whether the device plugin alone is ours."""
        return self.ownership.plugin.owner is Owner.US

    @property
    def _discovers(self) -> bool:
        """Whether node feature discovery comes along with what is ours."""
        if not self.installs:
            return self.gpu.plugin.discovery and self._brings_plugin
        said = self.gpu.operator.values.get("nfd")
        return not isinstance(said, Mapping) or said.get("enabled") is not False

    @property
    def pools(self) -> bool:
        """Whether nodes come by pools."""
        return self.cloud is not None

    @property
    def cloud(self) -> Gke | Aws | None:
        """The settings of the cloud, where nodes come from one."""
        return self.gke or self.aws
