"""The package `kubernetes` on a real API server: server-side apply as the real provider does it, but strict.

What is checked and what a change means is shared with the simulated cluster (lab/providers/kubernetes_objects.py).
Field managers, foreground deletion and the look before a creation are as in pulumi-kubernetes 4.32. Unlike there, a
field that the server does not know is refused: every manifest of the program has to be right, not only tolerated.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.cluster.kinds import KINDS
from lab.cluster.store import ApiError, Object
from lab.provider import CheckFailure, Context, Props, ProviderError
from lab.providers import helm_release, kubernetes_patch
from lab.providers.kubernetes_config import UNREACHABLE
from lab.providers.kubernetes_objects import NOT_MADE, Made, Objects, is_awaited, split
from lab.providers.kubernetes_patch import MANAGER, new_manager
from lab.real.api import Api, KubeconfigError, UnreachableError, from_kubeconfig
from lab.real.helm import HelmReleases
from lab.values import unwrap

_GONE_SECONDS, _LOOK_SECONDS = 600.0, 0.2
_LOAD = "unable to load Kubernetes client configuration from kubeconfig file: "
_AWAY = f"{UNREACHABLE}: unable to load schema information from the API server: "


class RealTime:
    """The clock on the wall."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits, a little shorter than the real provider does between two looks."""
        time.sleep(seconds / 4)


class RealKubernetesProvider(Objects):
    """The package `kubernetes` on whatever cluster its kubeconfig and context lead to."""

    def __init__(self, helm: Path, env: Mapping[str, str], folder: Path) -> None:
        self.clock = RealTime()
        self.answered = False
        """Whether the cluster was there when this was configured: later words are those of each request."""
        self.helm = HelmReleases(helm, env, folder)
        self.special = {
            helm_release.TYPE: self.helm,
            kubernetes_patch.TYPE: kubernetes_patch.NodePatches(self),
        }

    def check_config(self, news: Props) -> list[CheckFailure]:
        """The real provider asks once, when it is configured, what the server knows."""
        self.answered = False
        with suppress(ProviderError, ApiError, KeyError), _reached(Context("", "", "", config=news)) as api:
            api.text("/version")
            self.answered = True
        return super().check_config(news)

    def find(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        """Without the server's own bookkeeping."""
        namespace, name = split(id)
        with _reached(ctx) as api:
            found = api.get(inputs["kind"], name, namespace)
        if found:
            found["metadata"].pop("managedFields", None)
        return found

    def make(self, ctx: Context, wanted: Props) -> Made:
        """The real provider looks first: an apply would take over what is there."""
        manager, (namespace, name) = new_manager(), _place(wanted)
        with _reached(ctx, NOT_MADE.format(urn=ctx.urn) if self.answered else _AWAY) as api:
            if api.get(wanted["kind"], name, namespace):
                raise ApiError("AlreadyExists", f'{KINDS[wanted["kind"]].resource} "{name}" already exists')
            return Made(api.apply(wanted, manager), {MANAGER: manager})

    def try_out(self, ctx: Context, wanted: Props) -> None:
        """A dry run on the server."""
        with _reached(ctx) as api:
            api.apply(wanted, new_manager(), dry_run=True)

    def change(self, ctx: Context, id: str, wanted: Props, old_outputs: Props) -> Props:
        """Under the field manager that made it: what it no longer names is let go."""
        manager = old_outputs[MANAGER]
        with _reached(ctx) as api:
            api.apply(wanted, manager)
        return {MANAGER: manager}

    def take(self, ctx: Context, id: str, inputs: Props) -> None:
        """In the foreground: what it owns goes first."""
        namespace, name = split(id)
        with _reached(ctx) as api:
            there = api.delete(inputs["kind"], name, namespace, "Foreground")
        end = time.monotonic() + (ctx.timeout or _GONE_SECONDS)
        while there and is_awaited(inputs) and self.find(ctx, id, inputs) is not None:
            if time.monotonic() > end or ctx.stopping.is_set():
                raise ProviderError(f"{inputs['kind']} {id}: timed out waiting to be deleted")
            time.sleep(_LOOK_SECONDS)

    # Patches of nodes

    def apply_to_node(self, ctx: Context, wanted: Object, manager: str, force: bool) -> None:
        """As the real provider: on a node that is not there this makes an empty one."""
        with _reached(ctx) as api:
            api.apply({"apiVersion": "v1", "kind": "Node", "metadata": wanted}, manager, force=force)

    def let_go(self, ctx: Context, name: str, manager: str) -> None:
        """An apply of nothing under the same name, again as the real provider does it."""
        with _reached(ctx) as api:
            api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}, manager)


def _place(obj: Props) -> tuple[str | None, str]:
    meta = obj["metadata"]
    return (meta.get("namespace") if KINDS[obj["kind"]].namespaced else None), meta["name"]


@contextmanager
def _reached(ctx: Context, away: str = _AWAY) -> Iterator[Api]:
    """The server that the provider's configuration leads to; the real provider's words where that fails.

    Nothing is tried again: pulumi-kubernetes asks once more only for what is not found, such as a namespace to come.
    """
    config = unwrap(ctx.config)
    try:
        yield from_kubeconfig(str(config["kubeconfig"]), str(config["context"]))
    except KubeconfigError as error:
        raise ProviderError(f"{UNREACHABLE}: {_LOAD}{error}") from error
    except UnreachableError as error:
        raise ProviderError(f"{away}{error}") from error
