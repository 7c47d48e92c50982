"""Runs: what they tell, how they are waited for, paused and stopped, and that whatever was stopped can be resumed."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from pathlib import Path

import pytest

from conftest import PATIENCE, Board, Gate, notes, site, values
from provisioning import (
    ConflictError,
    Context,
    DeniedError,
    Event,
    EventName,
    InvalidError,
    Run,
    RunError,
    Workspace,
)

TITLES = [f"note{number}" for number in range(12)]


def opening(run: Run, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the gate as soon as the run was told to stop, and not before."""
    cancel = run.cancel

    def told() -> None:
        cancel()
        gate.open()

    monkeypatch.setattr(run, "cancel", told)


def made_once(board: Board) -> bool:
    """Whether every note was made, by one call each."""
    return board.titles() == sorted(TITLES) and Counter(board.calls) == Counter(f"create {title}" for title in TITLES)


def test_a_run_gives_its_events_in_order_until_it_has_ended(noted: Workspace) -> None:
    run = noted.apply(notes("ada", "grace"))
    events = list(run)
    assert [str(event.name) for event in events if event.step is None] == ["run_started", "begun", "run_finished"]
    assert [(event.name.value, event.step) for event in events if event.step] == [
        ("started", "ada/create"),
        ("succeeded", "ada/create"),
        ("started", "grace/create"),
        ("succeeded", "grace/create"),
    ]
    assert run.is_done
    report = run.wait()
    assert [event for event in events if event.is_fact] == list(noted.events(report.run))
    assert {event.run for event in events} == {report.run}


def test_every_event_is_given_once(noted: Workspace) -> None:
    run = noted.apply(notes("ada"))
    assert len(list(run)) == 5 and list(run) == []


def test_a_callback_hears_every_event_in_order_in_the_thread_that_waits(noted: Workspace) -> None:
    heard: list[tuple[int, Event]] = []
    run = noted.apply(notes("ada", "grace"), on_event=lambda event: heard.append((threading.get_ident(), event)))
    report = run.wait()
    assert {thread for thread, _ in heard} == {threading.get_ident()}
    assert [event for _, event in heard if event.is_fact] == list(noted.events(report.run))


def test_what_a_call_says_of_itself_is_an_event(noted: Workspace, board: Board) -> None:
    board.before = lambda call, context: context.progress("ink dries")
    [said] = [event for event in noted.apply(notes("ada")) if event.name is EventName.PROGRESS]
    assert (said.step, said.message, said.is_fact) == ("ada/create", "ink dries", False)
    assert str(said) == "progress ada/create ink dries"


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, SystemExit, KeyboardInterrupt])
def test_a_callback_that_raises_stops_the_run_gently_and_is_heard_then(
    noted: Workspace, board: Board, gate: Gate, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def complain(event: Event) -> None:
        if event.name is EventName.STARTED:
            raise kind("enough")

    board.before = gate.enter
    run = noted.apply(notes(*TITLES), on_event=complain)
    opening(run, gate, monkeypatch)
    with pytest.raises(kind, match="enough"):
        run.wait()
    assert run.is_done and run.report is not None and run.report.outcome == "cancelled"
    assert 0 < len(board.notes) < len(TITLES) and noted.verify().problem is None
    assert noted.resume().wait().ok and made_once(board)


def test_waiting_can_end_before_the_run_does(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada"))
    gate.reached()
    with pytest.raises(TimeoutError, match="it goes on"):
        run.wait(0.01)
    assert (run.is_done, run.report, repr(run)) == (False, None, "<Run under way>")
    gate.open()
    report = run.wait(PATIENCE)
    assert report.ok and run.report == report and repr(run) == f"<Run {report.run}: completed>"


def test_waiting_with_a_callback_can_end_before_the_run_does_too(noted: Workspace, board: Board, gate: Gate) -> None:
    heard: list[Event] = []
    board.before = gate.enter
    run = noted.apply(notes("ada"), on_event=heard.append)
    with pytest.raises(TimeoutError):
        run.wait(0.01)
    gate.open()
    report = run.wait(PATIENCE)
    assert [event for event in heard if event.is_fact] == list(noted.events(report.run))


def test_a_paused_run_begins_nothing_until_it_goes_on(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada", "grace"))
    gate.reached()
    run.pause()
    seen: list[tuple[str, str | None]] = []
    for event in run:
        seen.append((event.name.value, event.step))
        if event.name is EventName.PAUSED:
            gate.open()
        if seen[-1] == ("succeeded", "ada/create"):
            assert board.calls == ["create ada"]
            run.unpause()
    assert seen.index(("paused", None)) < seen.index(("succeeded", "ada/create")) < seen.index(("unpaused", None))
    assert seen.index(("unpaused", None)) < seen.index(("started", "grace/create"))
    assert run.wait().ok and board.titles() == ["ada", "grace"]


def test_a_run_that_is_stopped_finishes_what_it_began_and_is_resumed(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada", "grace"))
    gate.reached()
    run.cancel()
    for event in run:
        if event.name is EventName.DRAINING:
            gate.open()
    report = run.wait(check=False)
    assert (report.outcome, report.succeeded, report.not_begun) == ("cancelled", 1, 1) and not report.ok
    assert board.titles() == ["ada"] and [step.id for step in noted.status().unfinished] == ["grace/create"]
    with pytest.raises(RunError) as caught:
        run.wait()
    assert caught.value.report == report
    again = noted.resume().wait()
    assert (again.run, again.ok, board.calls) == (report.run, True, ["create ada", "create grace"])


def test_a_run_that_is_stopped_twice_drops_what_it_does_and_finds_it_again(noted: Workspace, board: Board, gate: Gate) -> None:
    board.after = gate.enter
    run = noted.apply(notes("ada"))
    gate.reached()
    run.cancel()
    run.cancel()
    report = run.wait(PATIENCE, check=False)
    assert (report.outcome, report.succeeded) == ("cancelled", 0)
    [step] = noted.status().unfinished
    assert (step.id, step.status) == ("ada/create", "started")
    gate.open()
    assert noted.resume().wait().ok
    assert (board.titles(), board.calls, noted.verify().problem) == (["ada"], ["create ada", "go on with ada"], None)


def test_a_block_that_is_left_waits_for_the_run(noted: Workspace, board: Board) -> None:
    with noted.apply(notes("ada")) as run:
        pass
    assert run.is_done and board.titles() == ["ada"]


def test_a_block_that_is_left_by_an_exception_stops_the_run_gently(
    noted: Workspace, board: Board, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.before = gate.enter
    run = noted.apply(notes(*TITLES))
    opening(run, gate, monkeypatch)
    with pytest.raises(ZeroDivisionError), run:
        gate.reached()
        raise ZeroDivisionError
    assert run.report is not None and run.report.outcome == "cancelled"
    assert noted.resume().wait().ok and made_once(board)


def refuse(board: Board, *titles: str) -> None:
    def before(call: str, context: Context) -> None:
        if context.resource in titles:
            raise DeniedError("not on this wall")

    board.before = before


def test_a_failure_is_raised_or_told_as_it_is_asked_for(noted: Workspace, board: Board) -> None:
    refuse(board, "grace")
    run = noted.apply(notes("ada", "grace", "linus"))
    with pytest.raises(RunError, match="not on this wall"), run:
        pass
    report = run.wait(check=False)
    assert (report.outcome, report.steps, report.succeeded, report.not_begun) == ("failed", 3, 1, 1)
    assert [(failure.step, failure.code) for failure in report.failures] == [("grace/create", "denied")]
    assert str(report.failures[0]) == "grace/create: not on this wall"
    refuse(board)
    assert noted.resume().wait().ok and board.titles() == ["ada", "grace", "linus"]


def test_the_same_plan_goes_on_where_its_run_failed(noted: Workspace, board: Board) -> None:
    plan = noted.plan(notes("ada", "grace"))
    refuse(board, "grace")
    failed = noted.apply(plan).wait(check=False)
    refuse(board)
    assert noted.apply(plan).wait().run == failed.run
    assert board.calls == ["create ada", "create grace", "create grace"]


@pytest.mark.parametrize(("on_failure", "made"), [("stop", []), ("continue", ["linus"])])
def test_a_failure_stops_the_rest_or_does_not(noted: Workspace, board: Board, on_failure: str, made: list[str]) -> None:
    refuse(board, "ada")
    wanted = notes("ada")
    wanted.resource("linus", "note", title="linus")
    report = noted.apply(wanted, on_failure=on_failure, parallelism=1).wait(check=False)  # type: ignore[arg-type]
    assert report.outcome == "failed" and board.titles() == made


@pytest.mark.parametrize(("option", "value"), [("on_failure", "explode"), ("parallelism", 0)])
def test_an_option_of_a_run_that_is_wrong_is_told(noted: Workspace, option: str, value: object) -> None:
    with pytest.raises(InvalidError, match=f"`{option}`"):
        noted.apply(notes("ada"), **{option: value})  # type: ignore[arg-type]
    assert noted.runs() == []


def test_a_workspace_that_works_is_held_against_others(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada"))
    gate.reached()
    other = Workspace.open(noted.path, providers=[board.provider()])
    status = other.status()
    assert status.lease is not None and status.lease.acquired_at < status.lease.expires_at and not status.holder_is_dead
    assert status.last_run is not None and status.last_run.outcome is None
    with pytest.raises(ConflictError):
        other.apply(values(a=1)).wait()
    gate.open()
    assert run.wait().ok and other.status().lease is None


def test_who_is_unlocked_records_nothing_any_more(noted: Workspace, board: Board, gate: Gate) -> None:
    board.before = gate.enter
    run = noted.apply(notes("ada"))
    gate.reached()
    assert noted.unlock().epoch >= 1
    gate.open()
    with pytest.raises(ConflictError):
        run.wait()
    assert repr(run).startswith("<Run that broke off: ")
    assert noted.state() == {} and noted.verify().problem is None
    # The note hangs there, and is found and not made again.
    assert noted.resume().wait().ok and board.calls == ["create ada", "go on with ada"]
    assert [noted.state()["ada"].id] == list(board.notes)


def test_events_that_nobody_takes_are_let_go_and_counted_where_they_are_missing(
    noted: Workspace, board: Board, gate: Gate
) -> None:
    def chatter(call: str, context: Context) -> None:
        for number in range(100_100):
            context.progress(str(number))
        gate.enter()

    board.before = chatter
    run = noted.apply(notes("ada"))
    gate.reached()
    events: list[Event] = []
    for event in run:
        events.append(event)
        if event.name is EventName.MISSED:
            gate.open()
    names = [event.name.value for event in events]
    # Three are told before the call begins to talk, and two after it.
    assert (len(events), names[:3], names[-2:]) == (100_003, ["run_started", "begun", "started"], ["succeeded", "run_finished"])
    assert names[100_000] == "missed" and events[100_000].data == {"count": 103}


def test_runs_and_workspaces_belong_to_their_process(workspace: Workspace, tmp_path: Path) -> None:
    run = workspace.apply(values(a=1))
    with pytest.raises(TypeError, match="a Run cannot be pickled"):
        pickle.dumps(run)
    with pytest.raises(TypeError, match="a Workspace cannot be pickled: open it in the other process"):
        pickle.dumps(workspace)
    report = run.wait()
    assert pickle.loads(pickle.dumps(report)) == report


@pytest.mark.parametrize("parallelism", ["2", 1.5, True])
def test_a_number_of_calls_that_is_none_is_refused(workspace: Workspace, parallelism: object) -> None:
    with pytest.raises(InvalidError, match=r"`parallelism` is .*, and a number of calls is expected"):
        workspace.apply(site(), parallelism=parallelism)  # type: ignore[arg-type]
    assert workspace.runs() == []


def test_a_coroutine_that_is_to_be_called_with_events_is_refused_before_the_run(workspace: Workspace) -> None:
    async def told(event: Event) -> None:
        raise AssertionError("never called")

    with pytest.raises(InvalidError, match="it is a coroutine function") as raised:
        workspace.apply(site(), on_event=told)
    assert "async for event in run" in (raised.value.hint or "") and workspace.runs() == []
