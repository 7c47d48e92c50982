"""What is no task, no result and no workflow, and how that is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conftest import QUICK
from provisioning import InvalidError, NotFoundError, ProvisioningError, Result, RunError, Workspace, task, workflow


@task(idempotent=True)
def give(value: Any) -> Any:
    """Give back what it was handed."""
    return value


USES: list[Callable[[Any], Any]] = [
    *(bool, str, list, len, int, float, iter),
    lambda given: f"{given}",
    lambda given: given == 1,
    lambda given: given != 1,
    lambda given: 1 in given,
    lambda given: [*given],
]


@pytest.mark.parametrize("use", USES)
def test_a_result_that_is_used_too_early_says_so(workspace: Workspace, use: Callable[[Any], Any]) -> None:
    @workflow
    def early() -> Any:
        return use(give(1))

    with pytest.raises(InvalidError, match="what `give` gives is not known before the workflow runs") as caught:
        early.job(workspace, "key")
    assert caught.value.hint == "hand it to a task as it is, or do this inside a task"


@pytest.mark.parametrize("key", ["a b", "a.b", "a}b", "", -1])
def test_a_part_that_cannot_be_named_is_refused_at_once(workspace: Workspace, key: str | int) -> None:
    @workflow
    def reaching() -> Any:
        return give({"a b": 1, "a.b": 1, "a}b": 1, "": 1})[key]

    with pytest.raises(InvalidError):
        reaching.job(workspace, "key")


def test_a_part_of_what_the_workflow_gives_that_is_not_there_is_told(workspace: Workspace) -> None:
    @workflow
    def wanting() -> Any:
        return give({"title": "x"})["titel"]

    with pytest.raises(ProvisioningError, match="titel"):
        wanting.run(workspace, "key").result()


def test_a_result_shows_what_it_stands_for() -> None:
    assert repr(Result("give")["a"][0].b) == "<Result give.result.a[0].b>"


def test_a_part_that_is_not_there_fails_the_task_that_wants_it(workspace: Workspace) -> None:
    @workflow
    def wanting() -> Any:
        return give(give({"title": "x"}).titel)

    with pytest.raises(RunError, match="`give` has no `titel`"):
        wanting.run(workspace, "key").result()


def same_name() -> Any:
    @task(name="give")
    def other(value: Any) -> Any:
        return value

    return [give(1), other(2)]


async def a_coroutine() -> Any:
    return give(1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (same_name, "two tasks are called `give`"),
        (a_coroutine, "the workflow `wrong` is a coroutine"),
        (lambda: give(1, 2), "the task `give`: too many positional arguments"),  # type: ignore[call-arg]
        (lambda: give(), "the task `give`: missing|`resources.give.value`: is required"),  # type: ignore[call-arg]
        (lambda: give(other=1), "the task `give`"),  # type: ignore[call-arg]
        (lambda: give(give), "`give` was handed over, and not what it gives"),
        (lambda: give(object()), "a `object` is not a value"),
        (lambda: give.options(after=[1])(1), "`after` has a `int` in it"),
        (lambda: give.options(name="a b")(1), "`a b` is no name for a step"),
        (lambda: [give.options(name="a")(1), give.options(name="a")(2)], "`a` is declared twice|is declared already"),
    ],
)
def test_a_workflow_that_is_put_together_wrongly_is_told(
    workspace: Workspace, function: Callable[[], Any], message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        workflow(name="wrong")(function).run(workspace, "key").wait()
    assert give(1) == 1


def test_what_can_be_no_task_is_refused_where_it_is_declared() -> None:
    def reserved(id: str) -> None: ...
    def many(*values: int) -> None: ...
    def nameless(value: int, /) -> None: ...
    def plain(value: int) -> None: ...
    def wrong_undo(result: Any, colour: str) -> None: ...

    for function, options, message in [
        (reserved, {}, "cannot have a parameter `id`"),
        (many, {}, "the parameter `values` of the task `many` has no name"),
        (nameless, {}, "the parameter `value` of the task `nameless` has no name"),
        (plain, {"name": "a b"}, "`a b` is no name for a task"),
        (lambda: None, {}, "`<lambda>` is no name for a task"),
        (plain, {"undo": wrong_undo}, "the undo of the task `plain` wants `colour`, which there is not"),
        (plain, {"find": wrong_undo}, "the find of the task `plain` wants `colour`, which there is not"),
        ("text", {}, "a `str` is not a function"),
    ]:
        with pytest.raises(InvalidError, match=message):
            task(**options)(function)  # type: ignore[arg-type, call-overload]


def test_a_job_needs_a_workspace_and_a_key_that_is_a_name(workspace: Workspace) -> None:
    @workflow
    def empty() -> None: ...

    with pytest.raises(InvalidError, match="a `str` is not a workspace"):
        empty.run("key", workspace)  # type: ignore[arg-type]
    for key in ("../up", "", "a/b", "a b"):
        with pytest.raises(InvalidError, match="is no key"):
            empty.run(workspace, key)
    with pytest.raises(InvalidError, match="the workflow `empty` was called"):
        empty()
    with pytest.raises(NotFoundError, match="the workflow `empty` has no result under the key `key`"):
        empty.job(Workspace.open(workspace.path, settings=QUICK), "key").result()
