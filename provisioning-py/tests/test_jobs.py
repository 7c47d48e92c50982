"""Jobs: a workflow under a key is done once, goes on where it stopped, and is taken back by its tasks' own undo functions."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from conftest import PATIENCE
from provisioning import (
    WITHHELD,
    Change,
    ConflictError,
    Context,
    EventName,
    InvalidError,
    NotFoundError,
    Plan,
    Run,
    RunError,
    Secret,
    Token,
    UnavailableError,
    UnsupportedError,
    Workflow,
    Workspace,
    task,
    workflow,
)

GIVEN: Any = None  # What the engine hands over.

done: list[str] = []
"""What the tasks of this file did, in order."""

broken: set[str] = set()
"""What cannot be made at present."""


@pytest.fixture(autouse=True)
def _clean() -> None:
    done.clear()
    broken.clear()


def take_away(result: str, name: str, context: Context) -> None:
    done.append(f"undo {name}: {result} {context.resource}")


@task(undo=take_away)
def make(name: str, needs: Any = None) -> str:
    done.append(f"make {name}")
    if name in broken:
        raise ValueError(f"no `{name}` today")
    return name.upper()


@workflow
def chain(first: str, second: str, third: str) -> Any:
    one = make(first)
    two = make(second, one)
    return make(third, [one, two])


def test_the_same_key_is_done_once_and_another_key_again(workspace: Workspace) -> None:
    for key, times in [("monday", 1), ("monday", 1), ("tuesday", 2)]:
        assert chain.run(workspace, key, "a", "b", "c").result() == "C"
        assert done == ["make a", "make b", "make c"] * times
    assert not chain.job(workspace, "monday", "a", "b", "c").plan()


def test_no_key_is_another_run_every_time(workspace: Workspace) -> None:
    first, second = chain.job(workspace, None, "a", "b", "c"), chain.job(workspace, None, "a", "b", "c")
    assert first.key != second.key
    assert (first.run().result(), second.run().result(), len(done)) == ("C", "C", 6)


def test_a_run_with_nothing_left_to_do_completes(workspace: Workspace) -> None:
    job = chain.job(workspace, "key", "a", "b", "c")
    report = job.run().wait()
    again = job.run().wait()
    assert report.run and (report.ok, report.steps, again.ok, again.steps) == (True, 3, True, 0)
    assert (job.result(), repr(job), [run.id for run in job.workspace.runs()]) == ("C", "<Job chain key>", [report.run])


def test_a_job_has_a_journal_of_its_own(workspace: Workspace) -> None:
    job = chain.job(workspace, "key", "a", "b", "c")
    job.run().wait()
    assert workspace.runs() == [] and workspace.state() == {}
    assert job.workspace.verify().problem is None
    assert [event.name for event in job.workspace.events()][-1] is EventName.RUN_FINISHED
    assert chain.job(Workspace.open(workspace.path), "key", "a", "b", "c").result() == "C"


def test_a_plan_says_what_is_to_be_done_and_what_undoing_it_costs(workspace: Workspace) -> None:
    plan = chain.job(workspace, "key", "a", "b", "c").plan()
    assert [(step.id, step.requires, step.undo.kind) for step in plan.steps] == [
        ("make/create", (), "reversible"),
        ("make_2/create", ("make/create",), "reversible"),
        ("make_3/create", ("make/create", "make_2/create"), "reversible"),
    ]
    change = plan["make"]
    assert isinstance(change, Change) and change.file and change.file.endswith("test_jobs.py") and done == []


def test_a_task_that_fails_is_told_and_what_succeeded_is_not_repeated(workspace: Workspace) -> None:
    broken.add("b")
    job = chain.job(workspace, "key", "a", "b", "c")
    with pytest.raises(RunError, match="ValueError: no `b` today") as caught:
        job.run().result()
    report = caught.value.report
    assert [failure.step for failure in report.failures] == ["make_2/create"] and report.not_begun == 1
    broken.clear()
    assert job.run().result() == "C"
    assert done == ["make a", "make b", "make b", "make c"]


def test_resume_goes_on_as_it_was_planned(workspace: Workspace) -> None:
    broken.add("b")
    failed = chain.run(workspace, "key", "a", "b", "c").wait(check=False)
    broken.clear()
    resumed = chain.job(workspace, "key", "a", "b", "changed").resume()
    assert resumed.result() == "C" and resumed.wait().run == failed.run


def test_a_changed_argument_redoes_that_task_and_undoes_the_old(workspace: Workspace) -> None:
    assert chain.run(workspace, "key", "a", "b", "c").result() == "C"
    done.clear()
    job = chain.job(workspace, "key", "a", "b", "d")
    assert {change.resource: change.action for change in job.plan()} == {"make_3": "replace"}
    assert job.run().result() == "D" and done == ["undo c: C make_3", "make d"]


def test_a_task_that_failed_is_done_with_the_argument_that_it_is_given_now(workspace: Workspace) -> None:
    broken.add("b")
    chain.run(workspace, "key", "a", "b", "c").wait(check=False)
    assert chain.run(workspace, "key", "a", "better", "c").result() == "C"
    assert done == ["make a", "make b", "make better", "make c"]


def test_a_rollback_undoes_in_reverse_order_with_results_and_inputs_by_name(workspace: Workspace) -> None:
    job = chain.job(workspace, "key", "a", "b", "c")
    job.run().wait()
    done.clear()
    preview = job.rollback(preview=True)
    assert isinstance(preview, Plan)
    assert [step.id for step in preview.steps] == ["make_3/delete", "make_2/delete", "make/delete"]
    rollback = job.rollback()
    assert isinstance(rollback, Run) and rollback.wait().ok
    assert done == ["undo c: C make_3", "undo b: B make_2", "undo a: A make"] and job.workspace.state() == {}
    assert job.run().result() == "C"


def test_a_failure_can_be_taken_back_at_once(workspace: Workspace) -> None:
    broken.add("c")
    report = chain.job(workspace, "key", "a", "b", "c").run(on_failure="rollback").wait(check=False)
    assert report.outcome == "failed" and report.rollback is not None
    assert done == ["make a", "make b", "make c", "undo b: B make_2", "undo a: A make"]


def test_an_undo_may_be_a_coroutine_and_take_only_the_result(workspace: Workspace) -> None:
    async def back(what: dict[str, int]) -> None:
        await asyncio.sleep(0)
        done.append(f"undo {what['size']}")

    @task(undo=back)
    async def grow(size: int) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"size": size + 1}

    @workflow
    def growing() -> Any:
        return grow(1)

    job = growing.job(workspace, "key")
    assert job.run().result() == {"size": 2}
    rollback = job.rollback()
    assert isinstance(rollback, Run) and rollback.wait().ok and done == ["undo 2"]


def of(task: Any, *arguments: Any) -> Workflow[[], Any]:
    """A workflow of one task."""

    @workflow
    def single() -> Any:
        return task(*arguments)

    return single


def test_an_attempt_that_failed_is_repeated_as_often_as_is_said_with_a_token_of_its_own(workspace: Workspace) -> None:
    tokens: list[str] = []

    @task(retries=2, retry_delay=0.001)
    def unsteady(token: Token = GIVEN) -> int:
        tokens.append(token)
        if len(tokens) < 3:
            raise ConnectionError("gone")
        return len(tokens)

    assert of(unsteady).run(workspace, "enough").result() == 3 and len(set(tokens)) == 3
    tokens.clear()
    report = of(unsteady.options(retries=1)).run(workspace, "few").wait(check=False)
    assert (report.outcome, len(tokens)) == ("failed", 2)
    assert report.failures[0].code == "unavailable" and "ConnectionError: gone" in report.failures[0].message


def test_a_task_that_does_not_come_back_in_time_is_in_doubt_and_settled_by_a_person(workspace: Workspace) -> None:
    released = threading.Event()

    @task(timeout=0.02)
    def slow() -> str:
        released.wait(PATIENCE)
        return "late"

    job = of(slow).job(workspace, "key")
    report = job.run().wait(check=False)
    released.set()
    assert (report.outcome, list(report.in_doubt)) == ("failed", ["slow/create"])
    with pytest.raises(ConflictError):
        job.plan()
    job.settle("slow/create", {"seen": "by hand"})
    assert job.run().result() == {"seen": "by hand"} and job.workspace.verify().problem is None


def test_a_coroutine_that_takes_too_long_is_cancelled(workspace: Workspace) -> None:
    cancelled = threading.Event()

    @task(timeout=0.02, idempotent=True)
    async def slow() -> None:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    report = of(slow).run(workspace, "key").wait(check=False)
    assert report.outcome == "failed" and cancelled.wait(PATIENCE)


def test_what_was_done_without_an_answer_is_found_and_not_done_again(workspace: Workspace) -> None:
    orders: dict[str, str] = {}

    def ordered(token: str, item: str) -> str | None:
        return orders.get(token)

    @task(find=ordered, retries=1)
    def order(item: str, token: Token = GIVEN) -> str:
        orders[token] = f"order of {item}"
        raise UnavailableError("no answer")

    run = of(order, "cake").run(workspace, "key")
    assert run.result() == "order of cake" and len(orders) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "`done.result`: a `object` is not a value"),
        ({"a": [b"x"]}, "`done.result.a.0`: a `bytes` is not a value"),
        (2**64, "`done.result`: the number does not fit"),
    ],
)
def test_a_task_that_gives_what_cannot_be_kept_fails(workspace: Workspace, value: Any, message: str) -> None:
    @task
    def strange() -> Any:
        return value

    report = of(strange).run(workspace, "key").wait(check=False)
    assert report.failures[0].step == "strange/create" and message in report.failures[0].message


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_that_nobody_awaited_in_a_result_is_told(workspace: Workspace) -> None:
    @task
    def forgetful() -> Any:
        return [asyncio.sleep(0)]

    report = of(forgetful).run(workspace, "key").wait(check=False)
    assert "`done.result.0`: a `coroutine` is not a value" in report.failures[0].message


def test_a_sensitive_result_shows_nowhere(workspace: Workspace) -> None:
    @task(sensitive=True, idempotent=True)
    def word() -> str:
        return "open sesame"

    @task(idempotent=True)
    def length(text: Any) -> int:
        return len(text.reveal() if isinstance(text, Secret) else text)

    @workflow
    def hidden() -> Any:
        return length(word())

    run = hidden.run(workspace, "key")
    events = [repr(event) for event in run]
    assert run.result() == len("open sesame")
    state = run.job.workspace.state()
    assert state["word"].outputs["done"] is WITHHELD
    assert "open sesame" not in f"{events} {state} {run.report} {list(run.job.workspace.events())}"


def test_a_sensitive_result_that_is_not_kept_is_told_and_never_handed_over_as_nothing(workspace: Workspace) -> None:
    undone: list[Any] = []

    @task(sensitive=True, idempotent=True, undo=undone.append)
    def word() -> str:
        return "open sesame"

    @workflow
    def hidden() -> Any:
        return word()

    job = hidden.job(workspace, "key")
    job.run().wait()
    with pytest.raises(NotFoundError, match="is a secret and not kept"):
        job.result()
    report = job.rollback().wait(check=False)
    assert (report.ok, undone) == (False, []) and "cannot be undone without it" in str(report)


def test_what_somebody_says_of_a_sensitive_result_is_refused(workspace: Workspace) -> None:
    @task(sensitive=True)
    def word() -> str:
        raise UnavailableError("nobody knows")

    @workflow
    def hidden() -> Any:
        return word()

    job = hidden.job(workspace, "key")
    assert list(job.run().wait(check=False).in_doubt) == ["word/create"]
    with pytest.raises(UnsupportedError, match="must not be seen"):
        job.settle("word/create", "open sesame")
    with pytest.raises(NotFoundError, match="has no step `other`"):
        job.settle("other")
    assert "open sesame" not in str([event.data for event in job.workspace.events()])


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2"])
def test_a_number_of_retries_that_is_none_is_refused(retries: object) -> None:
    with pytest.raises(InvalidError, match=r"`retries` is .*, and a whole number from 0 on is expected"):
        task(retries=retries)(lambda: None)  # type: ignore[call-overload]
