"""What a session is put together from; tests put stand-ins of their own there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.stack_file import WrongUse

if TYPE_CHECKING:
    from lab.provider import Provider
    from lab.world import WholeWorld


class Parts:
    """What a session is put together from; everything is imported when it is needed, for the SDKs cost a second."""

    def wish(self, own: Mapping[str, str], secret_keys: frozenset[str]) -> Any:
        """The checked settings; a fault in them is the user's."""
        import settings

        try:
            return settings.parse(dict(own), secret_keys=sorted(secret_keys))
        except settings.SettingsError as faults:
            raise WrongUse(str(faults)) from None

    def world(self, path: Path, speed: float) -> WholeWorld:
        """The simulated world that is kept there."""
        from lab.world import WholeWorld

        return WholeWorld(path, speed)

    def new_world(self, path: Path, spec: dict[str, Any], speed: float, machines: bool = True) -> WholeWorld:
        """A world as described, kept there from now on; a preview needs none of its machines."""
        from lab.world import WholeWorld

        return (WholeWorld.create if machines else WholeWorld.outline)(path, spec, speed)

    def fits(self, spec: Mapping[str, Any], wish: Any) -> bool:
        """Whether a world that is described already is the one that a stack file is about."""
        from lab.cluster import derive

        return derive.fits(spec, wish)

    def derived_world(self, wish: Any) -> dict[str, Any]:
        """A world that fits the settings, for a stack without one of its own."""
        from lab.cluster import derive

        return derive.world(wish)

    def providers(self, world: WholeWorld, root: Path) -> Sequence[Provider]:
        """What stands behind the resource types."""
        from lab.cloud.registry import providers
        from lab.providers.command import CommandProvider
        from lab.providers.kubernetes import KubernetesProvider

        commands = CommandProvider(env=world.env(), cwd=str(root), remote=world.remote_commands())
        return [commands, KubernetesProvider(world), *providers(world)]
