"""Taking back what a run did: all of it, or to a checkpoint; and rollbacks that get stuck."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Board, notes, site
from provisioning import ConflictError, Context, DeniedError, NotFoundError, Plan, Report, Run, Workspace


def taken_back(workspace: Workspace, run: str | None = None, to: str | None = None) -> Report:
    rollback = workspace.rollback(run, to=to)
    assert isinstance(rollback, Run)
    return rollback.wait()


def test_a_preview_shows_the_way_back_and_changes_nothing(workspace: Workspace) -> None:
    done = workspace.apply(site()).wait()
    plan = workspace.rollback(preview=True)
    assert isinstance(plan, Plan)
    assert (plan.command, plan.undoes, plan.counts()) == ("rollback", done.run, {"delete": 2})
    assert str(plan).startswith(f"To take back run {done.run}, provisioning will:")
    assert Path(workspace.path, "site", "index.html").is_file() and len(workspace.runs()) == 1
    assert plan == workspace.plan_rollback()


def test_a_rollback_restores_the_world_and_the_state(noted: Workspace, board: Board) -> None:
    first = noted.apply(notes("ada", "grace")).wait()
    before = noted.state()
    changed = noted.apply(notes("ada", "linus", text="bye")).wait()
    assert board.titles() == ["ada", "linus"]
    report = taken_back(noted)
    assert (report.ok, report.undoes) == (True, changed.run)
    assert (board.titles(), board.texts()) == (["ada", "grace"], ["hello", "hello"])
    assert {name: row.inputs for name, row in noted.state().items()} == {name: row.inputs for name, row in before.items()}
    assert [run.undoes for run in noted.runs()] == [None, None, changed.run]
    assert noted.runs()[0].id == first.run and noted.verify().problem is None
    assert not noted.plan(notes("ada", "grace"))


def test_a_rollback_can_be_taken_back_itself(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada")).wait()
    taken_back(noted)
    assert board.titles() == []
    taken_back(noted)
    assert board.titles() == ["ada"]


def test_a_run_that_a_later_one_built_on_cannot_be_taken_back_alone(noted: Workspace) -> None:
    first = noted.apply(notes("ada")).wait()
    noted.apply(notes("ada", text="bye")).wait()
    with pytest.raises(ConflictError, match="`ada` was changed by the later run"):
        noted.rollback(first.run)


def test_a_run_that_is_not_there_is_told(noted: Workspace) -> None:
    with pytest.raises(NotFoundError):
        noted.rollback()
    noted.apply(notes("ada")).wait()
    with pytest.raises(NotFoundError, match="20200101-000000-0000"):
        noted.plan_rollback("20200101-000000-0000")


def test_a_rollback_to_a_checkpoint_takes_back_what_came_after(noted: Workspace, board: Board) -> None:
    wanted = notes("ada", "grace", "linus")
    wanted.checkpoint("middle", after=["ada", "grace"])
    done = noted.apply(wanted).wait()
    assert [event.data["name"] for event in noted.events() if event.name == "checkpoint"] == ["middle"]
    preview = noted.rollback(to="middle", preview=True)
    assert isinstance(preview, Plan) and [change.resource for change in preview] == ["linus"]
    assert taken_back(noted, done.run, to="middle").ok
    assert board.titles() == ["ada", "grace"]


def test_a_checkpoint_that_the_run_did_not_reach_is_told(noted: Workspace) -> None:
    noted.apply(notes("ada")).wait()
    with pytest.raises(NotFoundError, match="`end`"):
        noted.plan_rollback(to="end")


def refusing(board: Board, *calls: str) -> None:
    """Have the board refuse some calls for good, without an effect."""

    def before(call: str, context: Context) -> None:
        if f"{call} {context.resource}" in calls:
            raise DeniedError(f"nobody may {call} `{context.resource}`", hint="ask")

    board.before = before


def test_a_failure_is_taken_back_at_once_where_that_is_asked_for(noted: Workspace, board: Board) -> None:
    refusing(board, "create linus")
    report = noted.apply(notes("ada", "grace", "linus"), on_failure="rollback").wait(check=False)
    assert (report.outcome, [failure.step for failure in report.failures]) == ("failed", ["linus/create"])
    assert isinstance(report.rollback, Report) and report.rollback.ok and report.rollback.undoes == report.run
    assert (board.titles(), noted.state()) == ([], {})


def test_a_rollback_that_is_stuck_says_where_and_goes_on(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada", "grace")).wait()
    refusing(board, "delete ada")
    rollback = noted.rollback()
    assert isinstance(rollback, Run)
    report = rollback.wait(check=False)
    assert [(failure.step, failure.code) for failure in report.failures] == [("ada/delete", "denied")]
    assert [step.id for step in noted.status().unfinished] == ["ada/delete"]
    refusing(board)
    assert noted.continue_rollback().wait().ok
    assert board.titles() == [] and noted.status().unfinished == ()


def test_a_step_of_a_rollback_can_be_left_out(noted: Workspace, board: Board) -> None:
    noted.apply(notes("ada", "grace")).wait()
    refusing(board, "delete grace")
    rollback = noted.rollback()
    assert isinstance(rollback, Run)
    report = rollback.wait(check=False)
    assert (report.not_begun, [failure.step for failure in report.failures]) == (1, ["grace/delete"])
    noted.skip_undo("grace/delete", "it is needed elsewhere")
    report = noted.continue_rollback().wait()
    assert (report.outcome, report.waived) == ("completed", 1)
    assert board.titles() == ["grace"]
    assert "it is needed elsewhere" in str(noted.state()["grace"].inconsistent)


def test_only_a_step_that_failed_can_be_left_out(noted: Workspace) -> None:
    with pytest.raises(NotFoundError):
        noted.skip_undo("ada/delete", "no reason")
    with pytest.raises(NotFoundError):
        noted.continue_rollback().wait()
