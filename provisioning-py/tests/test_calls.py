"""On which threads methods in Python are called, and how many there are."""

from __future__ import annotations

import threading

from provisioning import Workspace, task, workflow

CALLS = 8


def callers() -> set[threading.Thread]:
    """The threads that call methods, of all workspaces."""
    return {thread for thread in threading.enumerate() if thread.name == "provisioning-call"}


@task(idempotent=True)
def hog(number: int) -> int:
    return sum(range(number, 20_000_000))  # One call into C: nobody else has the interpreter meanwhile.


@workflow
def hogs() -> list[int]:
    return [hog(number) for number in range(CALLS)]


def test_calls_that_keep_the_interpreter_for_themselves_have_no_more_threads_than_calls(workspace: Workspace) -> None:
    before = callers()
    hogs.run(workspace, "key").wait()
    # They stay, and wait for more; those of other workspaces may end meanwhile.
    assert 0 < len(callers() - before) <= CALLS


def test_calls_that_wait_do_so_side_by_side(workspace: Workspace) -> None:
    together = threading.Barrier(CALLS)

    @task(idempotent=True)
    def meet(number: int) -> int:
        return number if together.wait(60) >= 0 else -1

    @workflow
    def meeting() -> list[int]:
        return [meet(number) for number in range(CALLS)]

    assert meeting.run(workspace, "key").result() == list(range(CALLS))
