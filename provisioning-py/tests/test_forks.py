"""Forks of a process that has a workspace open: they have none of its threads, and are told so."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable

import pytest

from conftest import Board, Gate, notes
from provisioning import Workspace

# That threads and forks do not go together is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def in_child(call: Callable[[], object]) -> tuple[int, str]:
    """What a fork of this process comes to that does something: its exit code, and what went wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # One that never comes back is not waited for.
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        text = "nothing was raised"
        try:
            call()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(7)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def test_a_fork_is_told_to_open_the_workspace_itself(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    for call in (noted.state, lambda: noted.plan(notes("ada")), lambda: noted.apply(notes("ada"))):
        code, text = in_child(call)
        assert code == 7 and text.startswith("UnsupportedError: the workspace was opened before this process was forked")
        assert "hint: open it in the child" in text
    assert list(noted.state()) == ["ada"] and noted.verify().problem is None


def test_a_fork_cannot_wait_for_a_run_of_its_parent(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada"))
    gate.reached()
    code, text = in_child(run.wait)
    assert code == 7 and "was begun before this process was forked" in text
    gate.open()
    assert run.wait().ok and board.titles() == ["ada"]


def test_a_fork_that_opens_the_workspace_itself_works(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()

    def look() -> None:
        raise RuntimeError(str(sorted(Workspace.open(noted.path).state())))

    assert in_child(look) == (7, "RuntimeError: ['ada']")
