"""The stand-in of the Kubernetes provider does what the real one was seen to do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lab.cluster.world import World
from lab.provider import Context, PartialFailure, ProviderError
from lab.providers.kubernetes import KubernetesProvider
from lab.values import UNKNOWN, Secret
from tests.unit.small_world import (
    GPU_1,
    ON_HOST,
    PRIVILEGED,
    RESTRICTED,
    after,
    find,
    job,
    namespace,
    ready_world,
    some,
    world,
)

NAMESPACE, JOB = "kubernetes:core/v1:Namespace", "kubernetes:batch/v1:Job"
RUNTIME_CLASS, SECRET = "kubernetes:node.k8s.io/v1:RuntimeClass", "kubernetes:core/v1:Secret"
CONFIG_MAP, RELEASE = "kubernetes:core/v1:ConfigMap", "kubernetes:helm.sh/v3:Release"
SKIP = {"pulumi.com/skipAwait": "true"}
AGAIN = {**SKIP, "pulumi.com/replaceUnready": "true"}


class Bench:
    """Asks the provider as an engine would."""

    def __init__(self, made: World, **config: Any) -> None:
        self.world, self.config = made, config
        self.provider = KubernetesProvider(made)
        self.said: list[str] = []

    def ctx(self, type: str, name: str = "thing", preview: bool = False, timeout: float | None = None) -> Context:
        urn = f"urn:pulumi:demo::gpu-ready::{type}::{name}"
        return Context(urn, type, name, preview=preview, config=self.config, timeout=timeout, say=self.said.append)

    def checked(self, type: str, news: dict[str, Any], olds: dict[str, Any] | None = None, name: str = "thing") -> Any:
        inputs, failures = self.provider.check(self.ctx(type, name), olds, news)
        assert failures == []
        return inputs

    def refused(self, type: str, news: dict[str, Any]) -> list[str]:
        return [f"{one.property}: {one.reason}" for one in self.provider.check(self.ctx(type), None, news)[1]]

    def make(self, type: str, news: dict[str, Any], timeout: float | None = None) -> tuple[str, Any, Any]:
        inputs = self.checked(type, news)
        id, outputs = self.provider.create(self.ctx(type, timeout=timeout), inputs)
        return id, inputs, outputs

    def diff(self, type: str, id: str, inputs: Any, outputs: Any, news: dict[str, Any]) -> Any:
        return self.provider.diff(self.ctx(type), id, inputs, outputs, self.checked(type, news, inputs))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ready_world(tmp_path, GPU_1), context="demo", clusterIdentifier="demo")


def validation(name: str | None = "check", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Job as the SDK sends it."""
    wanted = copy.deepcopy(job("check"))
    wanted["metadata"] = {"namespace": "default", "annotations": annotations or {}, **({"name": name} if name else {})}
    wanted["spec"].update(spec)
    return wanted


# checking


def test_kind_namespace_and_a_name_are_filled_in(bench: Bench) -> None:
    inputs = bench.checked(CONFIG_MAP, {"data": {"a": "b"}})
    assert (inputs["apiVersion"], inputs["kind"], inputs["metadata"]["namespace"]) == ("v1", "ConfigMap", "default")
    assert inputs["metadata"]["name"].startswith("thing-")
    assert len(inputs["metadata"]["name"]) == len("thing-") + 8
    assert inputs["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert "namespace" not in bench.checked(NAMESPACE, {})["metadata"]


def test_an_own_name_is_kept_from_run_to_run_and_a_chosen_one_is_left_alone(bench: Bench) -> None:
    first = bench.checked(CONFIG_MAP, {})
    assert bench.checked(CONFIG_MAP, {}, first)["metadata"]["name"] == first["metadata"]["name"]
    assert bench.checked(CONFIG_MAP, {})["metadata"]["name"] != first["metadata"]["name"]
    chosen = bench.checked(CONFIG_MAP, {"metadata": {"name": "mine"}})
    assert (chosen["metadata"]["name"], "annotations" in chosen["metadata"]) == ("mine", False)
    assert bench.checked(CONFIG_MAP, {"metadata": {"name": UNKNOWN}})["metadata"]["name"] is UNKNOWN


@pytest.mark.parametrize(
    ("type", "news", "text"),
    [
        ("kubernetes:batch/v1:Jobb", {}, "does not serve batch/v1 Jobb; did you mean batch/v1 Job?"),
        ("kubernetes:batch/v1beta1:Job", {}, "does not serve batch/v1beta1 Job; it knows batch/v1"),
        ("kubernetes:helm.sh/v4:Chart", {}, "the rehearsal has no Chart"),
        ("kubernetes:core/v1:NamespacePatch", {}, "the rehearsal has no NamespacePatch"),
        (NAMESPACE, {"kind": "Node"}, "kind: 'Node' does not fit the resource type, which is 'Namespace'"),
        (NAMESPACE, {"metadata": {"labels": "x"}}, 'metadata.labels: "x" is not of type "object"'),
        (NAMESPACE, {"metadata": "x"}, 'metadata: "x" is not of type'),
        (JOB, {"spec": {"template": {"spec": {"runtime_classname": "x"}}}}, "('runtime_classname' was unexpected)"),
        (
            JOB,
            {"metadata": {"annotations": {"pulumi.com/waitFor": "x"}}},
            "the rehearsal does not know pulumi.com/waitFor",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(bench: Bench, type: str, news: dict[str, Any], text: str) -> None:
    assert any(text in one for one in bench.refused(type, news)), bench.refused(type, news)


# objects


def test_an_object_is_made_read_changed_and_deleted(bench: Bench) -> None:
    id, inputs, outputs = bench.make(NAMESPACE, {"metadata": {"name": "gpu-ready", "labels": {"a": "1"}}})
    assert (id, outputs["status"], bool(outputs["metadata"]["uid"])) == ("gpu-ready", {"phase": "Active"}, True)
    assert bench.diff(NAMESPACE, id, inputs, outputs, inputs).changed == ()
    wanted = {"metadata": {"name": "gpu-ready", "labels": {"a": "2"}}}
    found = bench.diff(NAMESPACE, id, inputs, outputs, wanted)
    assert (found.changed, found.replaces) == (("metadata.labels.a",), ())
    news = bench.checked(NAMESPACE, wanted, inputs)
    outputs = bench.provider.update(bench.ctx(NAMESPACE), id, inputs, outputs, news)
    assert outputs["metadata"]["labels"]["a"] == "2"
    read = bench.provider.read(bench.ctx(NAMESPACE), id, news, outputs)
    assert read
    assert (read[0], read[1]) == (news, outputs)
    bench.provider.delete(bench.ctx(NAMESPACE), id, news, outputs)
    assert bench.provider.read(bench.ctx(NAMESPACE), id, news, outputs) is None
    bench.provider.delete(bench.ctx(NAMESPACE), id, news, outputs)


def test_namespaced_objects_have_both_names_in_their_id(bench: Bench) -> None:
    assert bench.make(CONFIG_MAP, {"metadata": {"name": "a"}})[0] == "default/a"


def test_drift_shows_after_a_refresh(bench: Bench) -> None:
    id, inputs, outputs = bench.make(NAMESPACE, {"metadata": {"name": "x", "labels": {"a": "1"}}})
    with bench.world.open() as cluster:
        cluster.replace(namespace("x", {"a": "changed by hand"}))
    read = bench.provider.read(bench.ctx(NAMESPACE), id, inputs, outputs)
    assert read
    assert bench.diff(NAMESPACE, id, *read, inputs).changed == ("metadata.labels.a",)


def test_an_object_that_is_there_already_is_not_taken_over(tmp_path: Path) -> None:
    bench = Bench(world(tmp_path, runtime_classes=[{"name": "nvidia"}]))
    with pytest.raises(ProviderError) as refused:
        bench.make(RUNTIME_CLASS, {"metadata": {"name": "nvidia"}, "handler": "nvidia"})
    text = str(refused.value)
    assert (
        'was not successfully created by the Kubernetes API server: runtimeclasses.node.k8s.io "nvidia" already exists'
        in text
    )
    assert "pulumi import" in text
    assert "upsertExistingObjects" in text


def test_a_missing_namespace_is_an_error_only_when_it_is_made_for_real(bench: Bench) -> None:
    wanted = bench.checked(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "later"}})
    assert bench.provider.create(bench.ctx(CONFIG_MAP, preview=True), wanted)[0] == ""
    with pytest.raises(ProviderError, match='namespaces "later" not found'):
        bench.provider.create(bench.ctx(CONFIG_MAP), wanted)


def test_a_preview_makes_nothing_and_knows_no_status(bench: Bench) -> None:
    before = bench.world.snapshot()
    inputs = bench.checked(JOB, validation())
    id, outputs = bench.provider.create(bench.ctx(JOB, preview=True), inputs)
    assert (id, outputs["status"], outputs["metadata"]["name"]) == ("", UNKNOWN, "check")
    assert (
        bench.provider.update(bench.ctx(JOB, preview=True), "default/x", inputs, {"status": {}}, inputs)["status"] == {}
    )
    assert bench.world.snapshot() == before


def test_secrets_stay_secret_in_outputs_and_are_plain_in_the_cluster(bench: Bench) -> None:
    _, _, outputs = bench.make(SECRET, {"metadata": {"name": "a"}, "data": Secret({"k": "dg=="})})
    assert outputs["data"] == Secret({"k": "dg=="})
    assert find(bench.world, "Secret", "a")["data"] == {"k": "dg=="}


@pytest.mark.parametrize(
    ("type", "old", "new", "replaces"),
    [
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, ("data.a",)),
        (SECRET, {"stringData": {"a": "1"}}, {"stringData": {"a": "2"}}, ("stringData.a",)),
        (NAMESPACE, {}, {"metadata": {"name": "other"}}, ("metadata.name",)),
        (RUNTIME_CLASS, {"handler": "a"}, {"handler": "b"}, ()),
    ],
)
def test_fields_that_cannot_change_replace_as_far_as_the_provider_knows(
    bench: Bench, type: str, old: dict[str, Any], new: dict[str, Any], replaces: tuple[str, ...]
) -> None:
    old, new = ({"metadata": {"name": "fixed"}, **one} for one in (old, new))
    id, inputs, outputs = bench.make(type, old)
    found = bench.diff(type, id, inputs, outputs, new)
    assert found.replaces == replaces
    assert found.delete_before_replace is bool(replaces and new["metadata"]["name"] == "fixed")


def test_an_own_name_lets_the_new_one_live_beside_the_old(bench: Bench) -> None:
    id, inputs, outputs = bench.make(CONFIG_MAP, {"data": {"a": "1"}})
    found = bench.diff(CONFIG_MAP, id, inputs, outputs, {"data": {"a": "2"}})
    assert (found.replaces, found.delete_before_replace) == (("data.a",), False)


def test_a_handler_is_refused_by_the_server(bench: Bench) -> None:
    id, inputs, outputs = bench.make(RUNTIME_CLASS, {"metadata": {"name": "k"}, "handler": "a"})
    news = {**inputs, "handler": "b"}
    with pytest.raises(ProviderError, match='handler: Invalid value: "b": field is immutable'):
        bench.provider.update(bench.ctx(RUNTIME_CLASS), id, inputs, outputs, news)


def test_what_is_not_known_yet_counts_as_changed(bench: Bench) -> None:
    id, inputs, outputs = bench.make(CONFIG_MAP, {"metadata": {"name": "a"}, "data": {"a": "1"}})
    assert bench.diff(CONFIG_MAP, id, inputs, outputs, {"metadata": {"name": "a"}, "data": UNKNOWN}).replaces == (
        "data",
    )


# Jobs


def test_a_job_is_waited_for(bench: Bench) -> None:
    before = bench.world.clock.now()
    _, _, outputs = bench.make(JOB, validation())
    assert outputs["status"]["succeeded"] == 1
    assert bench.world.clock.now() > before


def test_a_job_that_is_not_awaited_comes_back_at_once(bench: Bench) -> None:
    before = bench.world.clock.now()
    _, _, outputs = bench.make(JOB, validation(annotations=SKIP))
    assert "succeeded" not in outputs.get("status", {})
    assert bench.world.clock.now() == before


@pytest.mark.parametrize(
    ("fault", "spec", "reason"),
    [
        ("nvidia-smi", {}, "[BackoffLimitExceeded] Job has reached the specified backoff limit"),
        ("hang", {"activeDeadlineSeconds": 60}, "[DeadlineExceeded] Job was active longer than specified deadline"),
        ("hang", {"activeDeadlineSeconds": 6000}, "'check' timed out waiting to be Ready"),
    ],
)
def test_an_awaited_job_that_fails_is_in_the_state_with_a_reason_and_made_again(
    bench: Bench, fault: str, spec: dict[str, Any], reason: str
) -> None:
    bench.world.switch("jobs.fault", fault)
    with pytest.raises(PartialFailure) as failed:
        bench.make(JOB, validation(**spec), timeout=120)
    assert (failed.value.id, failed.value.reasons) == ("default/check", [reason])
    assert "successfully created, but the Kubernetes API server reported" in str(failed.value)
    inputs = bench.checked(JOB, validation(**spec))
    found = bench.diff(JOB, "default/check", inputs, failed.value.outputs, inputs)
    assert bool(found.replaces) is ("timed out" not in reason)


def test_time_limits_come_from_the_program_or_an_annotation(bench: Bench) -> None:
    bench.world.switch("jobs.fault", "hang")
    before = bench.world.clock.now()
    with pytest.raises(PartialFailure):
        bench.make(JOB, validation("a"), timeout=30)
    with pytest.raises(PartialFailure):
        bench.make(JOB, validation("b", {"pulumi.com/timeoutSeconds": "60"}))
    assert 90 <= bench.world.clock.now() - before < 100


def test_a_stop_ends_the_wait(bench: Bench) -> None:
    bench.world.switch("jobs.fault", "hang")
    ctx = bench.ctx(JOB)
    ctx.stopping.set()
    with pytest.raises(PartialFailure, match="Resource operation was cancelled for 'check'"):
        bench.provider.create(ctx, bench.checked(JOB, validation()))


def test_an_unready_job_is_replaced_only_where_its_annotation_asks_for_it(bench: Bench) -> None:
    bench.world.switch("jobs.fault", "nvidia-smi")
    silent = bench.make(JOB, validation("silent", SKIP))
    again = bench.make(JOB, validation(None, AGAIN))
    after(bench.world, 60)
    assert bench.diff(JOB, *silent, validation("silent", SKIP)).replaces == ()
    found = bench.diff(JOB, *again, validation(None, AGAIN))
    assert found.replaces == ('metadata.annotations["pulumi.com/replaceUnready"]',)
    assert found.delete_before_replace is False


def test_a_job_that_succeeded_is_left_alone(bench: Bench) -> None:
    made = bench.make(JOB, validation(None, AGAIN))
    after(bench.world, 60)
    found = bench.diff(JOB, *made, validation(None, AGAIN))
    assert (found.changed, found.replaces) == ((), ())


def test_a_new_template_replaces_a_job_and_a_new_deadline_does_not(bench: Bench) -> None:
    made = bench.make(JOB, validation(annotations=SKIP))
    other = validation(annotations=SKIP)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    found = bench.diff(JOB, *made, other)
    assert (found.replaces, found.delete_before_replace) == (("spec.template.spec.containers[0].image",), True)
    assert bench.diff(JOB, *made, validation(annotations=SKIP, activeDeadlineSeconds=5)).replaces == ()


# Releases


def release(**changes: Any) -> dict[str, Any]:
    return {
        "chart": "gpu-operator",
        "compat": "true",
        "name": "gpu-operator",
        "namespace": "gpu-operator",
        "version": "v26.7.0",
        "skipAwait": True,
        "values": ON_HOST,
        **changes,
    }


@pytest.fixture
def empty(tmp_path: Path) -> Bench:
    bench = Bench(world(tmp_path), context="demo")
    with bench.world.open() as cluster:
        cluster.create(namespace("gpu-operator", PRIVILEGED))
    return bench


def test_a_release_is_installed_read_upgraded_and_uninstalled(empty: Bench) -> None:
    id, inputs, outputs = empty.make(RELEASE, release())
    assert (id, outputs["status"]["status"], outputs["status"]["revision"]) == (
        "gpu-operator/gpu-operator",
        "deployed",
        1,
    )
    assert empty.diff(RELEASE, id, inputs, outputs, release()).changed == ()
    news = release(version="v26.3.3", values={})
    assert set(empty.diff(RELEASE, id, inputs, outputs, news).changed) >= {"version"}
    assert empty.provider.update(empty.ctx(RELEASE), id, inputs, outputs, news)["status"]["revision"] == 2
    read = empty.provider.read(empty.ctx(RELEASE), id, news, outputs)
    assert read
    assert read[0] == news
    empty.provider.delete(empty.ctx(RELEASE), id, news, outputs)
    assert empty.provider.read(empty.ctx(RELEASE), id, news, outputs) is None
    empty.provider.delete(empty.ctx(RELEASE), id, news, outputs)


def test_another_name_or_namespace_is_another_release(empty: Bench) -> None:
    made = empty.make(RELEASE, release())
    for key in ("name", "namespace"):
        assert empty.diff(RELEASE, *made, release(**{key: "other"})).replaces == (key,)


def test_a_release_name_that_is_taken_is_refused(empty: Bench) -> None:
    empty.make(RELEASE, release())
    with pytest.raises(ProviderError, match="cannot re-use a name that is still in use"):
        empty.make(RELEASE, release())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"chrat": "x"}, "chrat: a Release has no such argument; did you mean 'chart'?"),
        ({"skip_await": True}, "skip_await: a Release has no such argument; did you mean 'skipAwait'?"),
        ({"repositoryOpts": {"url": "x"}}, "repositoryOpts.url: a Release has no such argument"),
        ({"chart": "gpu-oprator"}, "chart: the rehearsal has no chart 'gpu-oprator'; it has gpu-operator"),
        ({"version": "v99"}, 'chart "gpu-operator" version "v99" not found'),
        ({"version": None}, "version: is missing"),
        ({"values": "x"}, "values: must be a map, not 'x'"),
        ({"postrender": "x"}, "postrender: the rehearsal does not do this"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(empty: Bench, changes: dict[str, Any], text: str) -> None:
    assert any(one.startswith(text) or text in one for one in empty.refused(RELEASE, release(**changes)))


def test_a_release_gets_a_name_a_namespace_and_a_time_limit(empty: Bench) -> None:
    inputs = empty.checked(RELEASE, {"chart": "gpu-operator", "version": "v26.7.0"})
    assert inputs["name"].startswith("thing-")
    assert (inputs["namespace"], inputs["timeout"]) == ("default", 300)
    assert empty.checked(RELEASE, {"chart": "gpu-operator", "version": "v26.7.0"}, inputs)["name"] == inputs["name"]


def test_helm_waits_for_the_operator_and_not_for_what_it_makes(empty: Bench) -> None:
    _, _, outputs = empty.make(RELEASE, release(skipAwait=False))
    assert outputs["status"]["status"] == "deployed"
    (operator,) = [
        pod
        for pod in some(empty.world, "Pod")
        if pod["metadata"]["name"].startswith("gpu-operator-") and "node-feature" not in pod["metadata"]["name"]
    ]
    assert operator["status"]["phase"] == "Running"
    assert find(empty.world, "ClusterPolicy", "cluster-policy")["status"]["state"] == "notReady"


def test_an_operator_that_does_not_come_up_fails_the_release_and_stays_in_the_state(empty: Bench) -> None:
    empty.world.switch("operator.fault", "image")
    with pytest.raises(PartialFailure, match="failed to become available within allocated timeout") as failed:
        empty.make(RELEASE, release(skipAwait=False, timeout=60))
    assert failed.value.id == "gpu-operator/gpu-operator"


def test_a_release_can_make_its_namespace(tmp_path: Path) -> None:
    bench = Bench(world(tmp_path))
    with pytest.raises(ProviderError, match='namespaces "gpu-operator" not found'):
        bench.make(RELEASE, release())
    bench.make(RELEASE, release(createNamespace=True))


def test_a_preview_installs_nothing(empty: Bench) -> None:
    before = empty.world.snapshot()
    inputs = empty.checked(RELEASE, release())
    assert empty.provider.create(empty.ctx(RELEASE, preview=True), inputs) == ("", {**inputs, "status": UNKNOWN})
    assert empty.provider.update(empty.ctx(RELEASE, preview=True), "x", inputs, {}, inputs)["status"] is UNKNOWN
    assert empty.world.snapshot() == before


# reaching the cluster


def test_a_cluster_that_does_not_answer_stops_everything_but_a_preview(bench: Bench) -> None:
    made = bench.make(JOB, validation(None, AGAIN))
    bench.world.switch("api", "down")
    inputs = bench.checked(NAMESPACE, {"metadata": {"name": "x"}})
    with pytest.raises(ProviderError, match=r"^configured Kubernetes cluster is unreachable: .*connection refused$"):
        bench.provider.create(bench.ctx(NAMESPACE), inputs)
    with pytest.raises(ProviderError, match="unreachable"):
        bench.provider.delete(bench.ctx(JOB), made[0], made[1], made[2])
    with pytest.raises(ProviderError, match="unreachable"):
        bench.provider.read(bench.ctx(JOB), made[0], made[1], made[2])
    assert bench.provider.create(bench.ctx(NAMESPACE, preview=True), inputs)[0] == ""
    assert bench.diff(JOB, *made, validation(None, AGAIN)).replaces == ()
    assert any("skipping replaceUnready check" in line for line in bench.said)


def test_a_cluster_that_goes_away_later_is_named_in_the_words_of_the_request_itself(bench: Bench) -> None:
    assert bench.provider.check_config({}) == []
    bench.world.switch("api", "down")
    inputs = bench.checked(NAMESPACE, {"metadata": {"name": "x"}})
    with pytest.raises(
        ProviderError, match=r"^resource .* was not successfully created .*: dial tcp .*connection refused$"
    ):
        bench.provider.create(bench.ctx(NAMESPACE), inputs)
    bench.provider.check_config({})
    with pytest.raises(ProviderError, match=r"^configured Kubernetes cluster is unreachable"):
        bench.provider.create(bench.ctx(NAMESPACE), inputs)


def test_a_context_that_does_not_exist_is_no_cluster(tmp_path: Path) -> None:
    bench = Bench(world(tmp_path), context="elsewhere")
    with pytest.raises(ProviderError, match="context 'elsewhere' does not exist"):
        bench.make(NAMESPACE, {"metadata": {"name": "x"}})


def test_a_restricted_namespace_is_felt_by_the_pod_and_not_by_the_job(bench: Bench) -> None:
    bench.make(NAMESPACE, {"metadata": {"name": "strict", "labels": RESTRICTED}})
    wanted = validation(annotations=SKIP)
    wanted["metadata"]["namespace"] = "strict"
    wanted["spec"]["template"]["spec"].pop("securityContext")
    assert bench.make(JOB, wanted)[0] == "strict/check"


# the provider resource


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaces"),
    [
        ({"clusterIdentifier": "a", "context": "x"}, {"clusterIdentifier": "a", "context": "y"}, ("context",), ()),
        (
            {"clusterIdentifier": "a", "kubeconfig": "x"},
            {"clusterIdentifier": "a", "kubeconfig": "y"},
            ("kubeconfig",),
            (),
        ),
        ({"clusterIdentifier": "a"}, {"clusterIdentifier": "b"}, ("clusterIdentifier",), ("clusterIdentifier",)),
        ({}, {"clusterIdentifier": "b"}, ("clusterIdentifier",), ()),
        ({"context": "x"}, {"context": "y"}, ("context",), ("context",)),
        ({"kubeconfig": "~/a"}, {"kubeconfig": "~/b"}, ("kubeconfig",), ()),
        (
            {"kubeconfig": "server: https://a\n"},
            {"kubeconfig": "server: https://b\n"},
            ("kubeconfig",),
            ("kubeconfig",),
        ),
        ({"kubeconfig": "a"}, {"kubeconfig": UNKNOWN}, ("kubeconfig",), ("kubeconfig",)),
        ({"context": "x"}, {"context": "x"}, (), ()),
    ],
)
def test_only_another_cluster_identifier_replaces_the_provider(
    bench: Bench, old: dict[str, Any], new: dict[str, Any], changed: tuple[str, ...], replaces: tuple[str, ...]
) -> None:
    found = bench.provider.diff_config(old, new)
    assert (found.changed, found.replaces) == (changed, replaces)


def test_misspelt_and_unrehearsed_settings_of_the_provider_are_refused(bench: Bench) -> None:
    good = {"kubeconfig": "~/.kube/config", "context": "demo", "clusterIdentifier": "demo"}
    assert bench.provider.check_config(good) == []
    wrong = bench.provider.check_config({"contxt": "x", "upsertExistingObjects": "true", "renderYamlToDirectory": ""})
    assert [(one.property, one.reason) for one in wrong] == [
        ("contxt", "the Kubernetes provider has no such argument; did you mean 'context'?"),
        ("upsertExistingObjects", "the rehearsal does not do this"),
    ]


def test_functions_of_the_package_are_not_rehearsed(bench: Bench) -> None:
    with pytest.raises(ProviderError, match="no function kubernetes:yaml:decode"):
        bench.provider.invoke(bench.ctx(NAMESPACE), "kubernetes:yaml:decode", {})
