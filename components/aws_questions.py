"""Asking AWS before anything is made: a question that is refused is an answer too."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime import invoke_async

from components.choices import STACK, this_stack
from decide.aws_checks import Judgement, Question, judge, judge_cluster, questions
from decide.aws_failures import explained

CLUSTER = "aws:eks/getCluster:getCluster"


def ask(question: Question, opts: pulumi.InvokeOptions) -> pulumi.Output[Any]:
    """The answer, or what was said in its place; the SDK's own functions would end the program with a traceback."""

    async def asked() -> Any:
        try:
            return await invoke_async(question.token, dict(question.args), opts)
        except Exception as refused:
            return {"refused": str(refused)}

    return pulumi.Output.from_input(asked())


def ask_all(asked: Mapping[str, Question], opts: pulumi.InvokeOptions) -> pulumi.Output[Any]:
    """All answers, by the names of the questions."""
    return pulumi.Output.all(**{name: ask(one, opts) for name, one in asked.items()})


def cluster_of(wish: Mapping[str, Any], opts: pulumi.InvokeOptions) -> pulumi.Output[Any]:
    """The cluster as EKS describes it; refused where it is none to make nodes for."""
    found = ask(Question(CLUSTER, {"name": wish["cluster"]}), opts)
    return found.apply(lambda said: spoken(judge_cluster(wish, said), said))


def checked(wish: Mapping[str, Any], cluster: Any, subnets: list[str], opts: pulumi.InvokeOptions) -> Any:
    """The subnets, once nothing stands against making nodes in them."""
    found = ask_all(questions(wish, str(cluster["version"]), subnets), opts)
    return found.apply(lambda said: spoken(judge(wish, said), subnets))


def spoken(judgement: Judgement, value: Any) -> Any:
    """Says what was found; ends the program where something stands against the wish."""
    for note in judgement.notes:
        pulumi.log.warn(note)
    if judgement.refusals:
        lines = [line for one in judgement.refusals for line in one.lines()]
        raise pulumi.RunError("\n".join(lines))
    return value


def tags(args: Mapping[str, Any]) -> dict[str, str]:
    """By these the bill and a person find what a stack made."""
    return {STACK: this_stack(), **(args.get("tags") or {})}


def explaining(name: str, wish: Any) -> pulumi.ErrorHook:
    """Says what AWS meant, and what to do; nothing is tried again."""

    def explain(asked: Any) -> bool:
        role = (asked.new_inputs or {}).get("nodeRoleArn") or wish.get("node_role")
        refused = explained(str((asked.errors or [""])[0]), {**wish, "role": role})
        if refused:
            pulumi.log.error("\n".join(refused.lines()))
        return False

    return pulumi.ErrorHook(f"{name}-explains", explain)
