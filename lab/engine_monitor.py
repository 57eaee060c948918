"""Stands where the SDK expects the real engine: the remote calls of a Pulumi program, answered in process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, resource_pb2

from lab.engine_backends import RefusedError
from lab.engine_goal import STACK_TYPE, Goal, goal_from
from lab.engine_plan import Step
from lab.engine_steps import Executor, StepFailedError, StoppedError
from lab.engine_watch import Severity
from lab.provider import Props, ProviderError
from lab.state import Entry
from lab.values import UNKNOWN_ID, from_wire, to_wire

_FEATURES: Final = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
]
_SEVERITIES: Final[dict[Any, Severity]] = {
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}


class InvokeError(grpc.RpcError):  # type: ignore[misc]
    """A function of a provider that failed: the program may catch it, as over the real engine's wire."""

    def code(self) -> grpc.StatusCode:
        """What the SDK asks for."""
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        """The provider's own words."""
        return str(self)


@dataclass
class Monitor:
    """The two services of the engine (monitor and engine) as one object; method names are the protocol's."""

    executor: Executor
    settle: Callable[[], None]
    """Waits until the program has taken in what it was answered (only where order must be repeatable)."""
    outputs: Props | None = None
    """What the program exported, once it has said so."""
    finished: bool = False
    _planning: threading.RLock = field(default_factory=threading.RLock)
    _default_providers: dict[str, str] = field(default_factory=dict)

    def GetDeploymentInfo(self, request: Any) -> Any:
        """What this engine can do."""
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def RegisterResource(self, request: Any) -> Any:
        """One resource that the program wants."""
        try:
            goal = goal_from(request)
        except ValueError as error:
            raise RefusedError(f"{request.type} {request.name}: {error}") from error
        try:
            answer = self._register(goal)
        finally:
            self.settle()
        return answer

    def _register(self, goal: Goal) -> Any:
        try:
            steps = self._planned(goal, self.executor.planner.plan)
            self.executor.run(steps)
            if steps[0].op == "import":
                found = steps[0].entry
                self.executor.run(self._planned(goal, lambda goal: self.executor.planner.plan_imported(goal, found)))
        except StepFailedError:
            if not self.executor.continue_on_error:
                raise
            return resource_pb2.RegisterResourceResponse(urn=goal.urn, result=resource_pb2.FAIL)
        new = goal.new
        return resource_pb2.RegisterResourceResponse(urn=new.urn, id=new.id, object=to_wire(new.outputs))

    def _planned(self, goal: Goal, plan: Callable[[Goal], list[Step]]) -> list[Step]:
        with self._planning:
            self.executor.guard()
            try:
                self._choose_provider(goal)
                return self._unbroken(goal, plan(goal))
            except RefusedError as error:
                self._refuse(error, goal)
                raise StepFailedError(str(error)) from error

    def _refuse(self, error: RefusedError, goal: Goal) -> None:
        what = f"{goal.type} {goal.name}: " if error.urn in ("", goal.urn) else ""
        self.executor.fail(goal.urn)
        self.executor.watch.log("error", what + str(error), error.urn or goal.urn)

    def _unbroken(self, goal: Goal, steps: list[Step]) -> list[Step]:
        """The steps without those that need something that failed or was skipped itself; they count as planned."""
        broken, kept = self.executor.broken, []
        for step in steps:
            if step.entry.uses() & broken:
                broken.add(step.entry.urn)
            else:
                kept.append(step)
        if goal.urn in broken:
            self.executor.run(kept)
            raise StepFailedError(f"{goal.name} needs a resource that failed")
        return kept

    def _choose_provider(self, goal: Goal) -> None:
        new = goal.new
        if new.custom and not new.is_provider and not new.provider:
            new.provider = self._default_provider(new.type.split(":")[0], goal.version)

    def _default_provider(self, package: str, version: str) -> str:
        name = f"default_{version.replace('.', '_')}" if version else "default"
        key = f"{package} {name}"
        if key not in self._default_providers:
            self.executor.backends.package(package)
            inputs = {"version": version} if version else {}
            goal = Goal(Entry("", f"pulumi:providers:{package}", inputs=inputs), name, inputs)
            self.executor.run_now(self.executor.planner.plan(goal))
            self._default_providers[key] = f"{goal.urn}::{goal.new.id or UNKNOWN_ID}"
        return self._default_providers[key]

    def RegisterResourceOutputs(self, request: Any) -> Any:
        """Outputs of a component, or the exports of the program, which are kept until the end."""
        self.executor.guard()
        goal = self.executor.planner.registered.get(request.urn)
        if goal is not None and goal.type == STACK_TYPE:
            self.outputs = from_wire(request.outputs)
        elif goal is not None and goal.urn not in self.executor.broken:
            goal.new.outputs = from_wire(request.outputs)
            self.executor.ledger.note(goal.new)
            self.executor.watch.close(goal.urn)
        self.settle()
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        """One resource that exists, and that the program only looks at."""
        inputs = from_wire(request.properties)
        new = Entry(
            "", request.type, inputs=inputs, parent=request.parent, provider=request.provider,
            dependencies=sorted(request.dependencies), additional_secret_outputs=list(request.additionalSecretOutputs),
        )  # fmt: skip
        goal = Goal(new, request.name, inputs, version=request.version)
        with self._planning:
            self.executor.guard()
            self._choose_provider(goal)
            steps = self.executor.planner.plan_read(goal, request.id)
        self.executor.run(steps)
        self.settle()
        return resource_pb2.ReadResourceResponse(urn=new.urn, id=new.id, properties=to_wire(new.outputs))

    def Invoke(self, request: Any) -> Any:
        """A function of a provider."""
        package = request.tok.split(":")[0]
        with self._planning:
            self.executor.guard()
            provider = request.provider or self._default_provider(package, request.version)
        backends = self.executor.backends
        context = backends.context(Entry("", request.tok, provider=provider))
        try:
            found = backends.package(package).invoke(context, request.tok, from_wire(request.args))
        except ProviderError as error:
            raise InvokeError(str(error)) from error
        self.settle()
        return resource_pb2.ResourceInvokeResponse(**{"return": to_wire(found)})

    def Call(self, request: Any) -> Any:
        """Methods of remote components: there are none here."""
        raise RefusedError(f"calls of methods ({request.tok}) are not rehearsed")

    def RegisterResourceHook(self, request: Any) -> Any:
        """A before_ or after_ hook."""
        self.executor.hooks.register(request)
        return empty_pb2.Empty()

    RegisterErrorHook = RegisterResourceHook

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        """The program has said all it had to say; its callbacks are still there for the hooks of deletions."""
        self.finish()
        return empty_pb2.Empty()

    def finish(self) -> None:
        """Deletes what the program no longer wants."""
        self.finished = True
        try:
            self.executor.guard()
        except StoppedError:
            return
        self.executor.delete_groups(self.executor.planner.deletions())

    def Log(self, request: Any) -> Any:
        """A line from `pulumi.log`; not the debug ones, with which the SDK narrates all that it does."""
        if request.severity == engine_pb2.DEBUG:
            return empty_pb2.Empty()
        self.executor.watch.log(_SEVERITIES[request.severity], request.message.rstrip("\n"), request.urn)
        return empty_pb2.Empty()
